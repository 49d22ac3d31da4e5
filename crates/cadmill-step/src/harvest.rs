//! Picks out of the lexer's stream what the summary needs, and lets all the rest pass.

use cadmill_domain::ContentHash;

use crate::{
    GeometryCounts, InstanceId, StepError, StepSchema, StepSummary,
    entity::EntityKind,
    header::HeaderReader,
    id_set::IdSet,
    lexer::{Record, Section, Tally, Tolerated, Visitor},
    product_tree::{RawDefinition, RawProduct, RawUsage, TreeReader},
    record::{Token, parameters, partial_entities, reference, text, tokens},
    schema::ApplicationProtocol,
    units::UnitReader,
};

/// How many of something a warning names.
const SAMPLE: usize = 3;
/// How many other files are named.
const MAX_FILES: usize = 1000;

/// Collects the summary.
#[derive(Debug, Default)]
pub(crate) struct Harvest {
    defined: IdSet,
    referenced: IdSet,
    instances: u64,
    header: HeaderReader,
    tree: TreeReader,
    units: UnitReader,
    geometry: GeometryCounts,
    external: External,
    data_line: Option<u64>,
}

/// What points to other files.
#[derive(Debug, Default)]
struct External {
    first_line: Option<u64>,
    files: Vec<String>,
}

/// What is known of the stream as a whole.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) hash: ContentHash,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) tolerated: Tolerated,
}

impl Visitor for Harvest {
    fn section(&mut self, section: Section, line: u64) {
        if section == Section::Data {
            self.data_line.get_or_insert(line);
        }
    }

    fn define(&mut self, id: InstanceId) -> bool {
        self.instances += 1;
        self.defined.insert(id)
    }

    fn instance(&mut self, keyword: &[u8]) -> bool {
        let kind = EntityKind::of(keyword);
        self.count(kind);
        kind != EntityKind::Other && !kind.is_geometry()
    }

    fn complex_instance(&mut self, first: &[u8]) -> bool {
        let kind = EntityKind::of(first);
        self.count(kind);
        !kind.is_geometry()
    }

    fn reference(&mut self, id: InstanceId) {
        self.referenced.insert(id);
    }

    fn record(&mut self, record: &Record<'_>) {
        let Some(id) = record.id else {
            self.header.read(record);
            return;
        };
        if record.section == Section::Reference {
            self.instances -= 1;
            let uri = String::from_utf8_lossy(record.text);
            let uri = uri.trim().trim_matches(['<', '>']);
            let file = uri.split('#').next().unwrap_or_default();
            self.external.add(record.line, file.to_owned());
            return;
        }
        let tokens = tokens(record.text);
        if record.complex {
            let entities = partial_entities(record.keyword, &tokens);
            self.complex_record(id, record.line, &entities);
        } else {
            let kind = EntityKind::of(record.keyword);
            self.simple_record(id, kind, record, &tokens);
        }
    }
}

impl Harvest {
    fn count(&mut self, kind: EntityKind) {
        let count = match kind {
            EntityKind::Face => &mut self.geometry.faces,
            EntityKind::Solid => &mut self.geometry.solids,
            EntityKind::Shell => &mut self.geometry.shells,
            EntityKind::Tessellated => &mut self.geometry.tessellated,
            EntityKind::Geometry => &mut self.geometry.other,
            _ => return,
        };
        *count += 1;
    }

    fn simple_record(
        &mut self,
        id: InstanceId,
        kind: EntityKind,
        record: &Record<'_>,
        tokens: &[Token<'_>],
    ) {
        let parameters = parameters(tokens);
        let string = |index: usize| text(parameters.get(index));
        let link = |index: usize| reference(parameters.get(index));
        match kind {
            EntityKind::Product => self.tree.product(RawProduct {
                instance: id,
                id: string(0),
                name: string(1),
                description: string(2),
            }),
            EntityKind::Formation => {
                if let Some(product) = link(2) {
                    self.tree.formation(id, product);
                }
            }
            EntityKind::Definition => {
                self.tree.definition(RawDefinition {
                    instance: id,
                    formation: link(2),
                    context: link(3),
                });
                if record.keyword.ends_with(b"_DOCUMENTS") {
                    self.external.add(record.line, String::new());
                }
            }
            EntityKind::DefinitionContext
                if string(0).to_ascii_lowercase().contains("document") =>
            {
                self.tree.document_context(id);
            }
            EntityKind::Usage => self.tree.usage(RawUsage {
                instance: id,
                id: string(0),
                name: string(1),
                relating: link(3),
                related: link(4),
                reference_designator: string(5),
            }),
            EntityKind::LengthMeasure => self.units.measure(id, tokens),
            EntityKind::Document => {
                let file = [string(0), string(1)];
                let named = file.into_iter().find(|name| !name.trim().is_empty());
                self.external.add(record.line, named.unwrap_or_default());
            }
            EntityKind::ExternalIdentification => self.external.add(record.line, string(0)),
            EntityKind::External => self.external.add(record.line, String::new()),
            _ => {}
        }
    }

    fn complex_record(&mut self, id: InstanceId, line: u64, entities: &[(Vec<u8>, &[Token<'_>])]) {
        self.units.complex(id, entities);
        let mut kinds = entities.iter().map(|(name, _)| EntityKind::of(name));
        if let Some(kind) = kinds.clone().find(|kind| kind.is_geometry()) {
            self.count(kind);
        }
        if kinds.any(|kind| kind == EntityKind::External) {
            self.external.add(line, String::new());
        }
        let find = |keyword: &[u8]| {
            let found = entities.iter().find(|(name, _)| name == keyword);
            found.map(|(_, tokens)| parameters(tokens))
        };
        if find(b"NEXT_ASSEMBLY_USAGE_OCCURRENCE").is_some() {
            let relationship = find(b"PRODUCT_DEFINITION_RELATIONSHIP").unwrap_or_default();
            let usage = find(b"ASSEMBLY_COMPONENT_USAGE").unwrap_or_default();
            self.tree.usage(RawUsage {
                instance: id,
                id: text(relationship.first()),
                name: text(relationship.get(1)),
                relating: reference(relationship.get(3)),
                related: reference(relationship.get(4)),
                reference_designator: text(usage.first()),
            });
        }
    }

    /// The stream is over.
    pub(crate) fn finish(self, totals: &Totals) -> Result<StepSummary, StepError> {
        let schema = StepSchema::new(self.header.schemas);
        if self.geometry.is_empty() {
            return Err(self.external.or_no_geometry(
                self.data_line.unwrap_or(totals.lines),
                self.data_line.is_some(),
                &schema,
            ));
        }
        let mut warnings = Vec::new();
        tolerated_warnings(&totals.tolerated, &mut warnings);
        let (missing, first) = self.referenced.missing_from(&self.defined, SAMPLE);
        if missing > 0 {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            let first = first.join(", ");
            let dots = if missing > SAMPLE as u64 { ", …" } else { "" };
            warnings.push(format!(
                "Instances that are referred to but not defined: {missing} ({first}{dots})."
            ));
        }
        if schema.names.is_empty() {
            warnings.push("The header names no schema.".to_owned());
        }
        let (length_unit, mixed) = self.units.resolve();
        if length_unit.is_none() {
            warnings.push("No unit of length is assigned.".to_owned());
        }
        if mixed {
            warnings.push("Different units of length are assigned.".to_owned());
        }
        let tree = self.tree.resolve();
        if tree.dangling > 0 {
            warnings.push(format!(
                "Occurrences without their assembly or their product: {}.",
                tree.dangling
            ));
        }
        if tree.counts.cyclic > 0 {
            warnings.push(format!(
                "Occurrences that put an assembly into itself and are not counted: {}.",
                tree.counts.cyclic
            ));
        }
        if self.external.first_line.is_some() {
            warnings.push("Some of its data may lie in other files.".to_owned());
        }
        Ok(StepSummary {
            hash: totals.hash,
            bytes: totals.bytes,
            lines: totals.lines,
            instances: self.instances,
            header: self.header.header,
            schema,
            length_unit,
            products: tree.products,
            occurrences: tree.occurrences,
            counts: tree.counts,
            geometry: self.geometry,
            external_files: self.external.files,
            warnings,
        })
    }
}

impl External {
    fn add(&mut self, line: u64, file: String) {
        self.first_line.get_or_insert(line);
        let named = !file.trim().is_empty();
        if named && self.files.len() < MAX_FILES && !self.files.contains(&file) {
            self.files.push(file);
        }
    }

    fn or_no_geometry(self, data_line: u64, has_data: bool, schema: &StepSchema) -> StepError {
        if let Some(line) = self.first_line {
            return StepError::ExternalReference {
                line,
                files: self.files,
            };
        }
        let what = if schema.protocol == Some(ApplicationProtocol::Ifc) {
            "it is a building model (IFC), whose geometry is not that of STEP."
        } else if has_data {
            "no face, shell, solid, surface, curve or tessellation follows."
        } else {
            "there is no data section."
        };
        StepError::NoGeometry {
            line: data_line,
            what: what.to_owned(),
        }
    }
}

fn tolerated_warnings(tolerated: &Tolerated, warnings: &mut Vec<String>) {
    let Tolerated {
        malformed,
        apostrophes,
    } = tolerated;
    let mut warn = |tally: &Tally, what: &str| {
        if tally.count > 0 {
            warnings.push(format!(
                "{what}: {}; the first begins in line {}.",
                tally.count, tally.first_line
            ));
        }
    };
    warn(malformed, "Malformed records");
    warn(apostrophes, "Apostrophes in strings that are not doubled");
}
