//! Collects the summary from the output of the lexer.

mod external_records;

use cadmill_domain::{ContentHash, MissingGeometry};

use self::external_records::has_nonempty_string;
use crate::{
    GeometryCounts, InstanceId, StepError, StepSchema, StepSummary,
    entity::EntityKind,
    external::{External, ExternalReader},
    header::{HeaderReader, names_a_population},
    id_set::IdSet,
    lexer::{Record, Section, Tally, Tolerated, Visitor},
    product_tree::{RawDefinition, RawProduct, RawUsage, TreeReader},
    record::{Token, parameters, partial_entities, reference, references, text, tokens},
    schema::ApplicationProtocol,
    shapes::ShapeReader,
    units::UnitReader,
};

/// The maximum number of undefined instances that a warning names.
const MAX_NAMED: usize = 3;

/// A visitor that collects the summary.
#[derive(Debug, Default)]
pub(crate) struct SummaryCollector {
    defined: IdSet,
    referenced: IdSet,
    instances: u64,
    header: HeaderReader,
    tree: TreeReader,
    units: UnitReader,
    geometry: GeometryCounts,
    external: ExternalReader,
    shapes: ShapeReader,
    data_line: Option<u64>,
    /// The current instance.
    current: Option<InstanceId>,
    /// The kind of the current instance.
    kind: EntityKind,
}

/// Properties of the whole input, known once it is read.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) hash: ContentHash,
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) tolerated: Tolerated,
}

impl Visitor for SummaryCollector {
    fn section(&mut self, section: Section, line: u64) {
        match section {
            Section::Data => {
                self.data_line.get_or_insert(line);
            }
            Section::Anchor | Section::Reference => self.external.mark_present(),
            _ => {}
        }
    }

    fn define(&mut self, id: InstanceId) -> bool {
        self.instances += 1;
        self.current = Some(id);
        self.kind = EntityKind::Other;
        self.defined.insert(id)
    }

    fn instance(&mut self, keyword: &[u8]) -> bool {
        let kind = EntityKind::of(keyword);
        self.begin(kind);
        kind != EntityKind::Other && kind != EntityKind::MappedItem && !kind.is_geometry()
    }

    fn complex_instance(&mut self, first: &[u8]) -> bool {
        let kind = EntityKind::of(first);
        self.begin(kind);
        !kind.is_geometry()
    }

    fn reference(&mut self, id: InstanceId) {
        self.referenced.insert(id);
        if self.kind.requires_references() {
            self.external.mark_needed(id);
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        let Some(id) = record.id else {
            if names_a_population(record.keyword) {
                self.external.mark_present();
            }
            self.header.read(record);
            return;
        };
        if record.section == Section::Reference {
            self.instances -= 1;
            let uri = String::from_utf8_lossy(record.text);
            let uri = uri.trim().trim_matches(['<', '>']);
            let file = uri.split('#').next().unwrap_or_default().to_owned();
            self.external.add_reference(record.line, file.clone());
            self.external.reference_entry(id, file);
            return;
        }
        let tokens = tokens(record.text);
        if record.complex {
            let entities = partial_entities(record.keyword, &tokens);
            self.complex_record(id, record, &entities);
        } else {
            let kind = EntityKind::of(record.keyword);
            self.simple_record(id, kind, record, &tokens);
        }
    }
}

impl SummaryCollector {
    /// Handles the keyword of the current instance.
    fn begin(&mut self, kind: EntityKind) {
        self.kind = kind;
        if let Some(id) = self.current
            && (kind.can_be_meshed() || kind == EntityKind::MappedItem)
        {
            self.shapes.geometry(id);
        }
        self.count(kind);
    }

    fn count(&mut self, kind: EntityKind) {
        let count = match kind {
            EntityKind::Face => &mut self.geometry.faces,
            EntityKind::Solid => &mut self.geometry.solids,
            EntityKind::Shell => &mut self.geometry.shells,
            EntityKind::Tessellated => &mut self.geometry.tessellated,
            EntityKind::Geometry | EntityKind::Curve => &mut self.geometry.other,
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
        let reference_at = |index: usize| reference(parameters.get(index));
        let references_at = |index: usize| references(parameters.get(index));
        if kind.names_files() && (record.cut || has_nonempty_string(tokens)) {
            self.external.mark_present();
        }
        match kind {
            EntityKind::Product => self.tree.product(RawProduct {
                instance: id,
                id: string(0),
                name: string(1),
                description: string(2),
            }),
            EntityKind::Formation => {
                if let Some(product) = reference_at(2) {
                    self.tree.formation(id, product);
                }
            }
            EntityKind::Definition => {
                self.tree.definition(RawDefinition {
                    instance: id,
                    formation: reference_at(2),
                    context: reference_at(3),
                });
                if record.keyword.ends_with(b"_DOCUMENTS") {
                    self.external.add_reference(record.line, String::new());
                    self.external
                        .associated_documents(id, reference_at(2), references_at(4));
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
                relating: reference_at(3),
                related: reference_at(4),
                reference_designator: string(5),
            }),
            EntityKind::LengthMeasure => self.units.measure(id, tokens),
            EntityKind::ShapeRepresentation => self.shapes.representation(id, references_at(1)),
            EntityKind::ProductShape
            | EntityKind::ShapeDefinition
            | EntityKind::ShapeRelationship
            | EntityKind::Property
            | EntityKind::PropertyRepresentation => self.shape_record(id, kind, &parameters),
            _ => self.external_record(id, kind, record.line, tokens, &parameters),
        }
    }

    fn complex_record(
        &mut self,
        id: InstanceId,
        record: &Record<'_>,
        entities: &[(Vec<u8>, &[Token<'_>])],
    ) {
        self.units.complex(id, entities);
        let mut kinds = entities.iter().map(|(name, _)| EntityKind::of(name));
        if let Some(kind) = kinds.clone().find(|kind| kind.is_geometry()) {
            if kind.can_be_meshed() {
                self.shapes.geometry(id);
            }
            self.count(kind);
        }
        if kinds.clone().any(EntityKind::names_files) {
            self.complex_external(id, record, entities);
        }
        let find = |keyword: &[u8]| {
            let found = entities.iter().find(|(name, _)| name == keyword);
            found.map(|(_, tokens)| parameters(tokens))
        };
        if kinds.any(|kind| kind == EntityKind::ShapeRepresentation) {
            let representation = find(b"REPRESENTATION").unwrap_or_default();
            let items = references(representation.get(1));
            self.shapes.representation(id, items);
        }
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

    /// Builds the summary once the whole input is read.
    pub(crate) fn finish(self, totals: &Totals) -> Result<StepSummary, StepError> {
        let schema = StepSchema::new(self.header.schemas);
        let tree = self.tree.resolve();
        let external = self.external.resolve(&tree, &self.shapes);
        if self.geometry.is_empty() {
            let data_line = self.data_line.unwrap_or(totals.lines);
            return Err(no_geometry(
                external,
                data_line,
                self.data_line.is_some(),
                &schema,
            ));
        }
        let mut warnings = Vec::new();
        tolerated_warnings(&totals.tolerated, &mut warnings);
        let (missing, first) = self.referenced.missing_from(&self.defined, MAX_NAMED);
        if missing > 0 {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            let first = first.join(", ");
            let dots = if missing > MAX_NAMED as u64 {
                ", …"
            } else {
                ""
            };
            warnings.push(format!(
                "Instances that are referenced but not defined: {missing} ({first}{dots})."
            ));
        }
        if schema.names.is_empty() {
            warnings.push("The header names no schema.".to_owned());
        }
        let (length_unit, mixed) = self.units.resolve();
        if length_unit.is_none() {
            warnings.push("No length unit is assigned.".to_owned());
        }
        if mixed {
            warnings.push("Several length units are assigned.".to_owned());
        }
        if tree.dangling > 0 {
            warnings.push(format!(
                "Occurrences with an undefined assembly or product: {}.",
                tree.dangling
            ));
        }
        if tree.counts.cyclic > 0 {
            warnings.push(format!(
                "Cyclic occurrences that are not counted: {}.",
                tree.counts.cyclic
            ));
        }
        if external.first_line.is_some() && external.missing.is_empty() {
            warnings.push("Some data may be in other files.".to_owned());
        }
        warnings.extend(MissingGeometry::sentences(&external.missing));
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
            external_files: external.files,
            names_other_files: external.present,
            missing_geometry: external.missing,
            warnings,
        })
    }
}

/// Returns the error for a file without geometry.
fn no_geometry(
    external: External,
    data_line: u64,
    has_data: bool,
    schema: &StepSchema,
) -> StepError {
    if let Some(line) = external.first_line {
        return StepError::ExternalReference {
            line,
            files: external.files,
        };
    }
    let message = if schema.protocol == Some(ApplicationProtocol::Ifc) {
        "this is a building model (IFC), whose geometry is not supported."
    } else if has_data {
        "the data sections hold no face, shell, solid, surface, curve or tessellation."
    } else {
        "there is no data section."
    };
    StepError::NoGeometry {
        line: data_line,
        message: message.to_owned(),
    }
}

fn tolerated_warnings(tolerated: &Tolerated, warnings: &mut Vec<String>) {
    let Tolerated {
        malformed,
        apostrophes,
    } = tolerated;
    let mut warn = |tally: &Tally, label: &str| {
        if tally.count > 0 {
            warnings.push(format!(
                "{label}: {}; the first is in line {}.",
                tally.count, tally.first_line
            ));
        }
    };
    warn(malformed, "Malformed records");
    warn(apostrophes, "Apostrophes not doubled");
}
