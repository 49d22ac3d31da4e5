//! Picks out of the lexer's stream what the summary needs, and lets all the rest pass.

mod outside;

use cadmill_domain::{ContentHash, MissingGeometry};

use self::outside::names_something;
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

/// How many of something a warning names.
const SAMPLE: usize = 3;

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
    external: ExternalReader,
    shapes: ShapeReader,
    data_line: Option<u64>,
    /// The instance that is being read.
    current: Option<InstanceId>,
    /// What it is.
    kind: EntityKind,
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
        match section {
            Section::Data => {
                self.data_line.get_or_insert(line);
            }
            Section::Anchor | Section::Reference => self.external.found(),
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
        if self.kind.needs_what_it_refers_to() {
            self.external.need(id);
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        let Some(id) = record.id else {
            if names_a_population(record.keyword) {
                self.external.found();
            }
            self.header.read(record);
            return;
        };
        if record.section == Section::Reference {
            self.instances -= 1;
            let uri = String::from_utf8_lossy(record.text);
            let uri = uri.trim().trim_matches(['<', '>']);
            let file = uri.split('#').next().unwrap_or_default().to_owned();
            self.external.refer(record.line, file.clone());
            self.external.link(id, file);
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

impl Harvest {
    /// The keyword of the current instance was read.
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
        let link = |index: usize| reference(parameters.get(index));
        let links = |index: usize| references(parameters.get(index));
        if kind.names_files() && (record.cut || names_something(tokens)) {
            self.external.found();
        }
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
                    self.external.refer(record.line, String::new());
                    self.external.list(id, link(2), links(4));
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
            EntityKind::ShapeRepresentation => self.shapes.representation(id, links(1)),
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

    /// The stream is over.
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
        if external.first_line.is_some() && external.missing.is_empty() {
            warnings.push("Some of its data may lie in other files.".to_owned());
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

/// There is no geometry: it lies in other files, or there is none at all.
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
