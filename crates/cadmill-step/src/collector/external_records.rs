//! Handles records about shapes, documents and external sources.

use super::SummaryCollector;
use crate::{
    InstanceId,
    entity::EntityKind,
    lexer::Record,
    record::{Token, parameters, reference, references, text},
};

impl SummaryCollector {
    /// Handles records that relate a shape, representation or property to another instance.
    pub(super) fn shape_record(
        &mut self,
        id: InstanceId,
        kind: EntityKind,
        parameters: &[&[Token<'_>]],
    ) {
        let reference_at = |index: usize| reference(parameters.get(index));
        let both = |one: usize, other: usize| Some((reference_at(one)?, reference_at(other)?));
        match kind {
            EntityKind::ProductShape => {
                if let Some(subject) = reference_at(2) {
                    self.shapes.shape(id, subject);
                }
            }
            EntityKind::ShapeDefinition => {
                if let Some((shape, representation)) = both(0, 1) {
                    self.shapes.definition(shape, representation);
                }
            }
            EntityKind::ShapeRelationship => {
                if let Some((one, other)) = both(2, 3) {
                    self.shapes.relationship(one, other);
                }
            }
            EntityKind::Property => {
                if let Some(subject) = reference_at(2) {
                    self.external.property(id, subject);
                }
            }
            _ => {
                if let Some((property, used)) = both(0, 1) {
                    self.external.property_representation(property, used);
                }
            }
        }
    }

    /// Handles records about documents and external sources.
    pub(super) fn external_record(
        &mut self,
        id: InstanceId,
        kind: EntityKind,
        line: u64,
        tokens: &[Token<'_>],
        parameters: &[&[Token<'_>]],
    ) {
        let string = |index: usize| text(parameters.get(index));
        let reference_at = |index: usize| reference(parameters.get(index));
        let references_at = |index: usize| references(parameters.get(index));
        let first_of = |names: [String; 2]| {
            let mut named = names.into_iter().filter(|name| !name.trim().is_empty());
            named.next().unwrap_or_default()
        };
        match kind {
            // If a document is not a file itself, its id is a number and its name is the file.
            EntityKind::Document => self.external.document(id, first_of([string(1), string(0)])),
            EntityKind::DocumentFile => {
                let file = first_of([string(0), string(1)]);
                self.external.add_reference(line, file.clone());
                self.external.document(id, file);
            }
            EntityKind::ExternalIdentification => {
                self.external.add_reference(line, string(0));
                self.external
                    .identification(&string(0), reference_at(2), &references_at(3));
            }
            EntityKind::ExternalSource => self.external.source(id, string(0)),
            EntityKind::External => {
                self.external.add_reference(line, String::new());
                self.external.external_item(id, all_references(tokens));
            }
            EntityKind::DefinitionReference => {
                self.external.add_reference(line, String::new());
                self.external
                    .external_definition(id, reference_at(0), string(1));
            }
            EntityKind::DocumentReference => {
                if let Some(document) = reference_at(0) {
                    let assigned = parameters.iter().skip(1);
                    let to = assigned.flat_map(|parameter| all_references(parameter));
                    self.external.assignment(document, to.collect());
                }
            }
            EntityKind::DocumentEquivalence => {
                if let (Some(document), Some(formation)) = (reference_at(2), reference_at(3)) {
                    self.external.equivalence(document, formation);
                }
            }
            _ => {}
        }
    }

    /// Handles a complex instance about documents or external sources, such as
    /// `(CHARACTERIZED_OBJECT('','') DOCUMENT('1','pump.step','',#5) DOCUMENT_FILE())`.
    pub(super) fn complex_external(
        &mut self,
        id: InstanceId,
        record: &Record<'_>,
        entities: &[(Vec<u8>, &[Token<'_>])],
    ) {
        let line = record.line;
        if record.cut
            || entities
                .iter()
                .any(|(_, tokens)| has_nonempty_string(tokens))
        {
            self.external.mark_present();
        }
        let of = |wanted: &[u8]| {
            let found = entities.iter().find(|(name, _)| name == wanted);
            found
                .map(|(_, tokens)| parameters(tokens))
                .unwrap_or_default()
        };
        let has = |wanted: EntityKind| {
            let mut kinds = entities.iter().map(|(name, _)| EntityKind::of(name));
            kinds.any(|kind| kind == wanted)
        };
        let filled = |name: &String| !name.trim().is_empty();
        let string = |entity: &[u8], index: usize| text(of(entity).get(index));
        if has(EntityKind::Document) || has(EntityKind::DocumentFile) {
            let names = [
                string(b"DOCUMENT_FILE", 0),
                string(b"DOCUMENT", 0),
                string(b"DOCUMENT", 1),
                string(b"DOCUMENT_FILE", 1),
            ];
            let file = names.into_iter().find(filled).unwrap_or_default();
            if has(EntityKind::DocumentFile) {
                self.external.add_reference(line, file.clone());
            }
            self.external.document(id, file);
        }
        if has(EntityKind::ExternalIdentification) {
            let file = string(b"IDENTIFICATION_ASSIGNMENT", 0);
            let source = reference(of(b"EXTERNAL_IDENTIFICATION_ASSIGNMENT").first());
            let assignment = of(b"APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT");
            let documents = references(assignment.last());
            self.external.add_reference(line, file.clone());
            self.external.identification(&file, source, &documents);
        }
        if has(EntityKind::ExternalSource) {
            self.external.source(id, string(b"EXTERNAL_SOURCE", 0));
        }
        if has(EntityKind::External) {
            let all = entities
                .iter()
                .flat_map(|(_, tokens)| all_references(tokens));
            self.external.add_reference(line, String::new());
            self.external.external_item(id, all.collect());
        }
    }
}

/// Whether any string of the record is not empty.
pub(super) fn has_nonempty_string(tokens: &[Token<'_>]) -> bool {
    let mut strings = tokens.iter().filter_map(|token| match token {
        Token::Text(raw) => Some(raw),
        _ => None,
    });
    strings.any(|raw| !raw.is_empty())
}

fn all_references(tokens: &[Token<'_>]) -> Vec<InstanceId> {
    references(Some(&tokens))
}
