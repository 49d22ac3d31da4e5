//! The header section: who wrote the file, when and with what.

use serde::Serialize;

use crate::{
    lexer::Record,
    record::{parameters, text, texts, tokens},
};

/// What the header says of the file. Texts are decoded; those that are missing are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepHeader {
    /// The name that the file had when it was written.
    pub name: String,
    /// What the file is about; blank entries are left out.
    pub description: Vec<String>,
    /// The edition and conformance class of Part 21, for example `2;1`.
    pub implementation_level: String,
    /// When it was written, as the file says it; seldom anything but ISO 8601.
    pub time_stamp: String,
    /// Who wrote it; blank entries are left out.
    pub author: Vec<String>,
    /// For whom; blank entries are left out.
    pub organization: Vec<String>,
    /// The program that wrote the exchange structure.
    pub preprocessor: String,
    /// The system that the model comes from.
    pub originating_system: String,
    /// Who may send it.
    pub authorization: String,
}

/// The header while it is read. Of a statement that is repeated the first one holds.
#[derive(Debug, Default)]
pub(crate) struct HeaderReader {
    pub(crate) header: StepHeader,
    /// The strings of `FILE_SCHEMA`.
    pub(crate) schemas: Vec<String>,
    described: bool,
    named: bool,
}

impl HeaderReader {
    pub(crate) fn read(&mut self, record: &Record<'_>) {
        let tokens = tokens(record.text);
        let parameters = parameters(&tokens);
        let at = |index: usize| text(parameters.get(index)).trim().to_owned();
        let list = |index: usize| filled(texts(parameters.get(index)));
        match record.keyword {
            b"FILE_DESCRIPTION" if !self.described => {
                self.described = true;
                self.header.description = list(0);
                self.header.implementation_level = at(1);
            }
            b"FILE_NAME" if !self.named => {
                self.named = true;
                self.header.name = at(0);
                self.header.time_stamp = at(1);
                self.header.author = list(2);
                self.header.organization = list(3);
                self.header.preprocessor = at(4);
                self.header.originating_system = at(5);
                self.header.authorization = at(6);
            }
            b"FILE_SCHEMA" if self.schemas.is_empty() => self.schemas = list(0),
            _ => {}
        }
    }
}

/// Whether a statement of the header names the files that belong to the same model.
pub(crate) fn names_a_population(keyword: &[u8]) -> bool {
    matches!(keyword, b"FILE_POPULATION" | b"SCHEMA_POPULATION")
}

fn filled(texts: Vec<String>) -> Vec<String> {
    let trimmed = texts.into_iter().map(|text| text.trim().to_owned());
    trimmed.filter(|text| !text.is_empty()).collect()
}
