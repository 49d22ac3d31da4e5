//! References to other files, and the products whose geometry is in those files.

use std::collections::HashMap;

use cadmill_domain::MissingGeometry;

use crate::{
    InstanceId, ProductKind,
    product_tree::{ProductIndex, ProductTree},
    shapes::{ShapeReader, Shapes},
};

/// The maximum number of other files that are listed.
const MAX_FILES: usize = 1000;
/// Extensions of documents that accompany a product but hold no geometry.
const NO_GEOMETRY: [&str; 16] = [
    "pdf", "txt", "rtf", "doc", "docx", "odt", "xls", "xlsx", "ods", "csv", "htm", "html", "png",
    "jpg", "jpeg", "tif",
];

/// Collects references to other files until they can be resolved.
#[derive(Debug, Default)]
pub(crate) struct ExternalReader {
    first_line: Option<u64>,
    files: Vec<String>,
    present: bool,
    /// Document → the file name that it states itself.
    documents: HashMap<InstanceId, String>,
    sources: HashMap<InstanceId, String>,
    /// Document → its location as stated by an external identification.
    identified: HashMap<InstanceId, Identification>,
    /// Documents, and the products or definitions that they are assigned to.
    assigned: Vec<(InstanceId, Vec<InstanceId>)>,
    /// Document → formation of the equivalent product.
    equivalent: HashMap<InstanceId, InstanceId>,
    /// Formation → documents that its definition lists.
    listed: HashMap<InstanceId, Vec<InstanceId>>,
    properties: HashMap<InstanceId, InstanceId>,
    property_representations: Vec<(InstanceId, InstanceId)>,
    /// Externally defined items and representations, and the instances that they refer to.
    external_items: Vec<(InstanceId, Vec<InstanceId>)>,
    /// Externally defined product definitions: instance, source, and the id of the product.
    external_definitions: Vec<(InstanceId, Option<InstanceId>, String)>,
    /// Instances of the reference section → file, and whether other instances need it.
    linked: HashMap<InstanceId, (String, bool)>,
}

#[derive(Debug)]
struct Identification {
    file: String,
    source: Option<InstanceId>,
}

/// The resolved references to other files.
#[derive(Debug, Default)]
pub(crate) struct External {
    pub(crate) first_line: Option<u64>,
    /// The names of other files, without duplicates.
    pub(crate) files: Vec<String>,
    /// Whether any record names another file.
    pub(crate) present: bool,
    pub(crate) missing: Vec<MissingGeometry>,
}

impl ExternalReader {
    /// Adds a reference to another file; `file` may be empty.
    pub(crate) fn add_reference(&mut self, line: u64, file: String) {
        self.first_line.get_or_insert(line);
        self.add_file(file);
    }

    fn add_file(&mut self, file: String) {
        let named = !file.trim().is_empty();
        if named && self.files.len() < MAX_FILES && !self.files.contains(&file) {
            self.files.push(file);
        }
    }

    /// Records that the file contains something that [`crate::ExternalNames`] removes.
    pub(crate) fn mark_present(&mut self) {
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

    /// Adds the documents that a definition lists.
    pub(crate) fn associated_documents(
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

    /// Adds an externally defined item or representation.
    pub(crate) fn external_item(&mut self, id: InstanceId, references: Vec<InstanceId>) {
        self.external_items.push((id, references));
    }

    /// Adds an externally defined product definition.
    pub(crate) fn external_definition(
        &mut self,
        id: InstanceId,
        source: Option<InstanceId>,
        product: String,
    ) {
        self.external_definitions.push((id, source, product));
    }

    /// Adds an entry of the reference section.
    pub(crate) fn reference_entry(&mut self, id: InstanceId, file: String) {
        self.linked.insert(id, (file, false));
    }

    /// Marks an entry of the reference section as needed.
    pub(crate) fn mark_needed(&mut self, id: InstanceId) {
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
        self.add_assigned_documents(tree, shapes, &resolved, &mut missing);
        self.add_property_documents(tree, &resolved, &mut missing);
        for (id, references) in &self.external_items {
            let mut named = references.iter().filter_map(|id| self.sources.get(id));
            let file = named.next().cloned().unwrap_or_default();
            let product = resolved.owner(*id);
            missing.add(
                file,
                product.map(|product| tree.products[product.0].name.clone()),
            );
        }
        self.add_external_definitions(tree, &mut missing);
        self.add_linked_instances(tree, shapes, &resolved, &mut missing);
        let sources: Vec<_> = self
            .external_items
            .iter()
            .flat_map(|(_, ids)| ids)
            .copied()
            .collect();
        for source in sources {
            self.add_file(self.sources.get(&source).cloned().unwrap_or_default());
        }
        for (file, _) in &missing.entries {
            self.add_file(file.clone());
        }
        External {
            first_line: self.first_line,
            files: self.files,
            present: self.present,
            missing: missing.into_list(),
        }
    }

    fn add_assigned_documents(
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
                let definition = shapes.subject(id).unwrap_or(id);
                tree.product_of(definition)
            });
            for product in products {
                self.add_documents(documents, product, tree, resolved, missing);
            }
        }
    }

    /// Adds documents with a property that is represented by the shape of a product.
    fn add_property_documents(&self, tree: &ProductTree, resolved: &Shapes, missing: &mut Missing) {
        for (property, used) in &self.property_representations {
            let subject = self.properties.get(property);
            let document = subject.filter(|id| self.documents.contains_key(id));
            if let (Some(document), Some(product)) = (document, resolved.owner(*used)) {
                self.add_documents(&[*document], product, tree, resolved, missing);
            }
        }
    }

    fn add_external_definitions(&self, tree: &ProductTree, missing: &mut Missing) {
        for (id, source, product) in &self.external_definitions {
            let file = source.and_then(|source| self.sources.get(&source));
            let products = if product.trim().is_empty() {
                tree.usage_names(*id)
            } else {
                std::slice::from_ref(product)
            };
            missing.add_all(file.cloned().unwrap_or_default(), products.iter().cloned());
        }
    }

    /// Adds the files of `documents` that are assigned to `product`, unless the product is an
    /// assembly or has geometry in this file.
    fn add_documents(
        &self,
        documents: &[InstanceId],
        product: ProductIndex,
        tree: &ProductTree,
        resolved: &Shapes,
        missing: &mut Missing,
    ) {
        let index = product;
        let product = &tree.products[index.0];
        if resolved.has_geometry(index) || product.kind == ProductKind::Assembly {
            return;
        }
        let files = documents.iter().map(|&document| self.file_of(document));
        for file in files.filter(|file| may_hold_geometry(file)) {
            missing.add(file, Some(product.name.clone()));
        }
    }

    /// Returns the file of a document: its stated location, or else its own id or name.
    fn file_of(&self, document: InstanceId) -> String {
        let identified = self.identified.get(&document);
        let location = identified.map(|identification| identification.file.as_str());
        // Some programs write an instance name here.
        let location = location.filter(|file| !file.starts_with('#'));
        let source =
            identified.and_then(|identification| self.sources.get(&identification.source?));
        let own = self.documents.get(&document);
        let names = [
            location,
            source.map(String::as_str),
            own.map(String::as_str),
        ];
        let mut named = names
            .into_iter()
            .flatten()
            .filter(|name| !name.trim().is_empty());
        named.next().unwrap_or_default().to_owned()
    }

    fn add_linked_instances(
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
            let mut names = tree.usage_names(*id).to_vec();
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
