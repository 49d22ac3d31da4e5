//! The header section: author, date and originating system of the file.

use serde::Serialize;

use crate::{
    lexer::Record,
    record::{parameters, text, texts, tokens},
};

/// The header section. Strings are decoded; missing ones are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StepHeader {
    /// The file name at the time of writing.
    pub name: String,
    /// Describes the contents; blank entries are omitted.
    pub description: Vec<String>,
    /// The edition and conformance class of Part 21, for example `2;1`.
    pub implementation_level: String,
    /// The time of writing as the file states it, usually in ISO 8601.
    pub time_stamp: String,
    /// The authors; blank entries are omitted.
    pub author: Vec<String>,
    /// The organizations of the authors; blank entries are omitted.
    pub organization: Vec<String>,
    /// The program that wrote the exchange structure.
    pub preprocessor: String,
    /// The system that created the model.
    pub originating_system: String,
    /// The person who authorized the file.
    pub authorization: String,
}

/// Reads the header. The first of several equal statements applies.
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
        let list = |index: usize| without_blanks(texts(parameters.get(index)));
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

/// Whether a header statement lists the files that belong to the same model.
pub(crate) fn names_a_population(keyword: &[u8]) -> bool {
    matches!(keyword, b"FILE_POPULATION" | b"SCHEMA_POPULATION")
}

fn without_blanks(texts: Vec<String>) -> Vec<String> {
    let trimmed = texts.into_iter().map(|text| text.trim().to_owned());
    trimmed.filter(|text| !text.is_empty()).collect()
}
