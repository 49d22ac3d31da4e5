//! Records that say which files a product is described by, and whether its shape is in this one.

use super::Harvest;
use crate::{
    InstanceId,
    entity::EntityKind,
    lexer::Record,
    record::{Token, parameters, reference, references, text},
};

impl Harvest {
    /// Records of two references: what a product looks like.
    pub(super) fn shape_record(
        &mut self,
        id: InstanceId,
        kind: EntityKind,
        parameters: &[&[Token<'_>]],
    ) {
        let link = |index: usize| reference(parameters.get(index));
        let both = |one: usize, other: usize| Some((link(one)?, link(other)?));
        match kind {
            EntityKind::ProductShape => {
                if let Some(subject) = link(2) {
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
                if let Some(subject) = link(2) {
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

    /// Records that concern documents and other sources.
    pub(super) fn external_record(
        &mut self,
        id: InstanceId,
        kind: EntityKind,
        line: u64,
        tokens: &[Token<'_>],
        parameters: &[&[Token<'_>]],
    ) {
        let string = |index: usize| text(parameters.get(index));
        let link = |index: usize| reference(parameters.get(index));
        let links = |index: usize| references(parameters.get(index));
        let first_of = |names: [String; 2]| {
            let mut named = names.into_iter().filter(|name| !name.trim().is_empty());
            named.next().unwrap_or_default()
        };
        match kind {
            // Where a document is no file of its own, its id is a number and its name the file.
            EntityKind::Document => self.external.document(id, first_of([string(1), string(0)])),
            EntityKind::DocumentFile => {
                let file = first_of([string(0), string(1)]);
                self.external.refer(line, file.clone());
                self.external.document(id, file);
            }
            EntityKind::ExternalIdentification => {
                self.external.refer(line, string(0));
                self.external.identification(&string(0), link(2), &links(3));
            }
            EntityKind::ExternalSource => self.external.source(id, string(0)),
            EntityKind::External => {
                self.external.refer(line, String::new());
                self.external.elsewhere(id, all_references(tokens));
            }
            EntityKind::DefinitionReference => {
                self.external.refer(line, String::new());
                self.external.definition(id, link(0), string(1));
            }
            EntityKind::DocumentReference => {
                if let Some(document) = link(0) {
                    let to = parameters.iter().skip(1);
                    let to = to.flat_map(|parameter| all_references(parameter));
                    self.external.assignment(document, to.collect());
                }
            }
            EntityKind::DocumentEquivalence => {
                if let (Some(document), Some(formation)) = (link(2), link(3)) {
                    self.external.equivalence(document, formation);
                }
            }
            _ => {}
        }
    }

    /// A complex instance that concerns documents or other sources: `(CHARACTERIZED_OBJECT('','')
    /// DOCUMENT('1','pump.step','',#5) DOCUMENT_FILE())`.
    pub(super) fn complex_external(
        &mut self,
        id: InstanceId,
        record: &Record<'_>,
        entities: &[(Vec<u8>, &[Token<'_>])],
    ) {
        let line = record.line;
        if record.cut || entities.iter().any(|(_, tokens)| names_something(tokens)) {
            self.external.found();
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
                self.external.refer(line, file.clone());
            }
            self.external.document(id, file);
        }
        if has(EntityKind::ExternalIdentification) {
            let file = string(b"IDENTIFICATION_ASSIGNMENT", 0);
            let source = reference(of(b"EXTERNAL_IDENTIFICATION_ASSIGNMENT").first());
            let documents = of(b"APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT");
            let documents = references(documents.last());
            self.external.refer(line, file.clone());
            self.external.identification(&file, source, &documents);
        }
        if has(EntityKind::ExternalSource) {
            self.external.source(id, string(b"EXTERNAL_SOURCE", 0));
        }
        if has(EntityKind::External) {
            let all = entities
                .iter()
                .flat_map(|(_, tokens)| all_references(tokens));
            self.external.refer(line, String::new());
            self.external.elsewhere(id, all.collect());
        }
    }
}

/// Whether any string of a record that names files is not empty.
pub(super) fn names_something(tokens: &[Token<'_>]) -> bool {
    let mut strings = tokens.iter().filter_map(|token| match token {
        Token::Text(raw) => Some(raw),
        _ => None,
    });
    strings.any(|raw| !raw.is_empty())
}

fn all_references(tokens: &[Token<'_>]) -> Vec<InstanceId> {
    references(Some(&tokens))
}
