//! References to other files: which files there are, and the geometry of which products lies there.

use std::collections::HashMap;

use cadmill_domain::MissingGeometry;

use crate::{
    InstanceId, ProductKind,
    product_tree::{ProductIndex, ProductTree},
    shapes::{ShapeReader, Shapes},
};

/// How many other files are named.
const MAX_FILES: usize = 1000;
/// Files that accompany a product and hold no geometry, by their extension.
const NO_GEOMETRY: [&str; 16] = [
    "pdf", "txt", "rtf", "doc", "docx", "odt", "xls", "xlsx", "ods", "csv", "htm", "html", "png",
    "jpg", "jpeg", "tif",
];

/// What is read of references to other files, until all of it is there.
#[derive(Debug, Default)]
pub(crate) struct ExternalReader {
    first_line: Option<u64>,
    files: Vec<String>,
    present: bool,
    /// Documents, with their own name for the file.
    documents: HashMap<InstanceId, String>,
    sources: HashMap<InstanceId, String>,
    /// Document → where it is, as an external identification says.
    identified: HashMap<InstanceId, Identification>,
    /// Which documents are assigned to what: products, or their definitions.
    assigned: Vec<(InstanceId, Vec<InstanceId>)>,
    /// Document → the formation of the product that it is.
    equivalent: HashMap<InstanceId, InstanceId>,
    /// Formation → the documents that its definition lists.
    listed: HashMap<InstanceId, Vec<InstanceId>>,
    properties: HashMap<InstanceId, InstanceId>,
    property_representations: Vec<(InstanceId, InstanceId)>,
    /// Items and representations that lie elsewhere, and what they refer to.
    elsewhere: Vec<(InstanceId, Vec<InstanceId>)>,
    /// Product definitions that lie elsewhere: where, and the product's own id.
    definitions: Vec<(InstanceId, Option<InstanceId>, String)>,
    /// Instances of the reference section and their files; whether they are needed.
    linked: HashMap<InstanceId, (String, bool)>,
}

#[derive(Debug)]
struct Identification {
    file: String,
    source: Option<InstanceId>,
}

/// The same, resolved.
#[derive(Debug, Default)]
pub(crate) struct External {
    pub(crate) first_line: Option<u64>,
    /// Other files, as far as they are named, each once.
    pub(crate) files: Vec<String>,
    /// Whether any record names another file.
    pub(crate) present: bool,
    pub(crate) missing: Vec<MissingGeometry>,
}

impl ExternalReader {
    /// A reference to another file, which may be named.
    pub(crate) fn refer(&mut self, line: u64, file: String) {
        self.first_line.get_or_insert(line);
        self.name(file);
    }

    fn name(&mut self, file: String) {
        let named = !file.trim().is_empty();
        if named && self.files.len() < MAX_FILES && !self.files.contains(&file) {
            self.files.push(file);
        }
    }

    /// Something was found that the copy for the kernel must not hold.
    pub(crate) fn found(&mut self) {
        self.present = true;
    }

    pub(crate) fn document(&mut self, id: InstanceId, file: String) {
        self.documents.insert(id, file);
    }

    pub(crate) fn source(&mut self, id: InstanceId, file: String) {
        self.sources.insert(id, file);
    }

    pub(crate) fn identification(
        &mut self,
        file: &str,
        source: Option<InstanceId>,
        documents: &[InstanceId],
    ) {
        for &document in documents {
            let file = file.to_owned();
            let identification = Identification { file, source };
            self.identified.entry(document).or_insert(identification);
        }
    }

    pub(crate) fn assignment(&mut self, document: InstanceId, to: Vec<InstanceId>) {
        self.assigned.push((document, to));
    }

    pub(crate) fn equivalence(&mut self, document: InstanceId, formation: InstanceId) {
        self.equivalent.insert(document, formation);
    }

    /// A definition lists its documents.
    pub(crate) fn list(
        &mut self,
        definition: InstanceId,
        formation: Option<InstanceId>,
        documents: Vec<InstanceId>,
    ) {
        let own = documents
            .iter()
            .map(|&document| (document, vec![definition]));
        self.assigned.extend(own);
        if let Some(formation) = formation {
            self.listed.insert(formation, documents);
        }
    }

    pub(crate) fn property(&mut self, id: InstanceId, of: InstanceId) {
        self.properties.insert(id, of);
    }

    pub(crate) fn property_representation(&mut self, property: InstanceId, used: InstanceId) {
        self.property_representations.push((property, used));
    }

    /// An item or a representation lies elsewhere.
    pub(crate) fn elsewhere(&mut self, id: InstanceId, references: Vec<InstanceId>) {
        self.elsewhere.push((id, references));
    }

    /// A product definition lies elsewhere.
    pub(crate) fn definition(
        &mut self,
        id: InstanceId,
        source: Option<InstanceId>,
        product: String,
    ) {
        self.definitions.push((id, source, product));
    }

    /// An entry of the reference section.
    pub(crate) fn link(&mut self, id: InstanceId, file: String) {
        self.linked.insert(id, (file, false));
    }

    /// An instance that needs what it refers to refers to this one.
    pub(crate) fn need(&mut self, id: InstanceId) {
        if self.linked.is_empty() {
            return;
        }
        if let Some((_, needed)) = self.linked.get_mut(&id) {
            *needed = true;
        }
    }

    pub(crate) fn resolve(mut self, tree: &ProductTree, shapes: &ShapeReader) -> External {
        let resolved = shapes.resolve(|definition| tree.product_of(definition));
        let mut missing = Missing::default();
        self.assigned_documents(tree, shapes, &resolved, &mut missing);
        self.documents_of_properties(tree, &resolved, &mut missing);
        for (id, references) in &self.elsewhere {
            let mut named = references.iter().filter_map(|id| self.sources.get(id));
            let file = named.next().cloned().unwrap_or_default();
            let product = resolved.owner(*id);
            missing.add(
                file,
                product.map(|product| tree.products[product.0].name.clone()),
            );
        }
        self.definitions_elsewhere(tree, &mut missing);
        self.linked_instances(tree, shapes, &resolved, &mut missing);
        let sources: Vec<_> = self
            .elsewhere
            .iter()
            .flat_map(|(_, ids)| ids)
            .copied()
            .collect();
        for source in sources {
            self.name(self.sources.get(&source).cloned().unwrap_or_default());
        }
        for (file, _) in &missing.entries {
            self.name(file.clone());
        }
        External {
            first_line: self.first_line,
            files: self.files,
            present: self.present,
            missing: missing.into_list(),
        }
    }

    fn assigned_documents(
        &self,
        tree: &ProductTree,
        shapes: &ShapeReader,
        resolved: &Shapes,
        missing: &mut Missing,
    ) {
        for (document, to) in &self.assigned {
            let formation = self.equivalent.get(document);
            let listed = formation.and_then(|formation| self.listed.get(formation));
            let documents = listed.map_or(std::slice::from_ref(document), Vec::as_slice);
            let products = to.iter().filter_map(|&id| {
                let shown = shapes.subject(id).unwrap_or(id);
                tree.product_of(shown)
            });
            for product in products {
                self.consider(documents, product, tree, resolved, missing);
            }
        }
    }

    /// A property of a document that is represented by the shape of a product.
    fn documents_of_properties(
        &self,
        tree: &ProductTree,
        resolved: &Shapes,
        missing: &mut Missing,
    ) {
        for (property, used) in &self.property_representations {
            let document = self.properties.get(property);
            let document = document.filter(|id| self.documents.contains_key(id));
            if let (Some(document), Some(product)) = (document, resolved.owner(*used)) {
                self.consider(&[*document], product, tree, resolved, missing);
            }
        }
    }

    fn definitions_elsewhere(&self, tree: &ProductTree, missing: &mut Missing) {
        for (id, source, product) in &self.definitions {
            let file = source.and_then(|source| self.sources.get(&source));
            let names = if product.trim().is_empty() {
                tree.names_of_usages(*id)
            } else {
                std::slice::from_ref(product)
            };
            missing.add_all(file.cloned().unwrap_or_default(), names.iter().cloned());
        }
    }

    /// The geometry of a product that has none in this file, and holds no other product, lies in
    /// the documents that are assigned to it.
    fn consider(
        &self,
        documents: &[InstanceId],
        product: ProductIndex,
        tree: &ProductTree,
        resolved: &Shapes,
        missing: &mut Missing,
    ) {
        let shown = &tree.products[product.0];
        if resolved.has_geometry(product) || shown.kind == ProductKind::Assembly {
            return;
        }
        let files = documents.iter().map(|&document| self.file_of(document));
        for file in files.filter(|file| may_hold_geometry(file)) {
            missing.add(file, Some(shown.name.clone()));
        }
    }

    /// How a document is called: by where it is said to be, or else by its own id or name.
    fn file_of(&self, document: InstanceId) -> String {
        let identified = self.identified.get(&document);
        let said = identified.map(|identification| identification.file.as_str());
        // Some programs write the name of an instance here.
        let said = said.filter(|file| !file.starts_with('#'));
        let source = identified.and_then(|identification| identification.source);
        let source = source.and_then(|source| self.sources.get(&source));
        let own = self.documents.get(&document);
        let names = [said, source.map(String::as_str), own.map(String::as_str)];
        let mut named = names
            .into_iter()
            .flatten()
            .filter(|name| !name.trim().is_empty());
        named.next().unwrap_or_default().to_owned()
    }

    fn linked_instances(
        &self,
        tree: &ProductTree,
        shapes: &ShapeReader,
        resolved: &Shapes,
        missing: &mut Missing,
    ) {
        let mut linked: Vec<_> = self.linked.iter().collect();
        linked.sort_unstable_by_key(|(id, _)| **id);
        for (id, (file, needed)) in linked {
            if !needed {
                continue;
            }
            let mut names = tree.names_of_usages(*id).to_vec();
            if names.is_empty() {
                let subject = shapes.subject(*id).unwrap_or(*id);
                let product = resolved.owner(*id).or_else(|| tree.product_of(subject));
                names.extend(product.map(|product| tree.products[product.0].name.clone()));
            }
            missing.add_all(file.clone(), names);
        }
    }
}

fn may_hold_geometry(file: &str) -> bool {
    let extension = file.rsplit_once('.').map(|(_, extension)| extension.trim());
    !extension.is_some_and(|extension| {
        let mut known = NO_GEOMETRY.iter();
        known.any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// Missing files in the order in which they were found, with their products.
#[derive(Debug, Default)]
struct Missing {
    entries: Vec<(String, Vec<String>)>,
    index: HashMap<String, usize>,
}

impl Missing {
    fn add(&mut self, file: String, product: Option<String>) {
        self.add_all(file, product);
    }

    fn add_all(&mut self, file: String, products: impl IntoIterator<Item = String>) {
        let index = *self.index.entry(file.clone()).or_insert_with(|| {
            self.entries.push((file, Vec::new()));
            self.entries.len() - 1
        });
        self.entries[index].1.extend(products);
    }

    fn into_list(self) -> Vec<MissingGeometry> {
        let entries = self.entries.into_iter();
        let list = entries.map(|(file, mut products)| {
            products.sort_unstable();
            products.dedup();
            MissingGeometry { file, products }
        });
        list.collect()
    }
}
