//! Copies a file without its references to other files.
//!
//! Removes the strings of documents, external sources, external identifications and externally
//! defined representations (simple or complex, in upper or lower case), the anchor and reference
//! sections, and the populations of the header. All other bytes are kept.

use std::{
    io::{self, Read, Write},
    ops::Range,
};

use crate::{
    InstanceId, StepError,
    entity::EntityKind,
    header::names_a_population,
    inspect::{Source, scan},
    lexer::{Record, Section, Visitor},
    record::{Token, partial_entities, tokens},
};

const BUFFER_BYTES: usize = 256 << 10;

/// The places in a file that name other files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalNames {
    /// Byte ranges in ascending order, not overlapping.
    spans: Vec<Range<u64>>,
}

impl ExternalNames {
    /// Finds the names of other files in a STEP file.
    ///
    /// # Errors
    /// If the input cannot be read, or is refused.
    pub fn find(reader: impl Read) -> Result<Self, StepError> {
        let mut finder = Finder::default();
        scan(&mut Source::new(reader), &mut finder)?;
        // The file may end within a section.
        let open = finder.removed_from.map(|start| start..finder.end);
        finder.spans.extend(open);
        Ok(Self {
            spans: finder.spans,
        })
    }

    /// Whether the file names no other files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Copies the file from `source` to `target` without these names.
    ///
    /// # Errors
    /// If `source` cannot be read or ends early, or `target` cannot be written.
    pub fn copy_without(&self, mut source: impl Read, target: &mut impl Write) -> io::Result<()> {
        let mut at = 0;
        let mut buffer = vec![0; BUFFER_BYTES];
        for span in &self.spans {
            let kept = io::copy(&mut source.by_ref().take(span.start - at), target)?;
            let mut left = span.end - span.start;
            at += kept;
            while left > 0 {
                let length = usize::try_from(left)
                    .unwrap_or(BUFFER_BYTES)
                    .min(BUFFER_BYTES);
                let read = source.read(&mut buffer[..length])?;
                if read == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                left -= read as u64;
                at += read as u64;
            }
        }
        io::copy(&mut source, target)?;
        Ok(())
    }
}

/// A visitor that collects the ranges to remove.
#[derive(Debug, Default)]
struct Finder {
    spans: Vec<Range<u64>>,
    /// The section keyword in the current statement.
    keyword: Option<Section>,
    /// Where a removed section begins.
    removed_from: Option<u64>,
    /// Whether the current statement is removed.
    remove_statement: bool,
    /// The end of the last statement.
    end: u64,
}

impl Visitor for Finder {
    fn section(&mut self, section: Section, _line: u64) {
        self.keyword = Some(section);
    }

    fn define(&mut self, _id: InstanceId) -> bool {
        true
    }

    fn instance(&mut self, keyword: &[u8]) -> bool {
        EntityKind::of(keyword).names_files()
    }

    fn complex_instance(&mut self, first: &[u8]) -> bool {
        !EntityKind::of(first).is_geometry()
    }

    fn reference(&mut self, _id: InstanceId) {}

    fn record(&mut self, record: &Record<'_>) {
        // Instances are handled in every section, even in the header.
        if record.id.is_none() {
            self.remove_statement = names_a_population(record.keyword);
            return;
        }
        if self.removed_from.is_some() {
            return;
        }
        let tokens = tokens(record.text);
        let names_files = if record.complex {
            let entities = partial_entities(record.keyword, &tokens);
            let mut kinds = entities.iter().map(|(name, _)| EntityKind::of(name));
            kinds.any(EntityKind::names_files)
        } else {
            true
        };
        if names_files && record.cut {
            self.remove_statement = true;
        } else if names_files {
            self.spans.extend(strings(record, &tokens));
        }
    }

    fn statement(&mut self, bytes: Range<u64>) {
        self.end = bytes.end;
        let keyword = self.keyword.take();
        let remove_statement = std::mem::take(&mut self.remove_statement);
        match (keyword, self.removed_from) {
            (Some(Section::Anchor | Section::Reference), None) => {
                self.removed_from = Some(bytes.start);
            }
            (Some(Section::Anchor | Section::Reference) | None, Some(_)) => {}
            (Some(section), Some(start)) => {
                self.removed_from = None;
                // A removed section includes its `ENDSEC;`, but not the keyword of the next
                // section.
                let end = if section == Section::Outside {
                    bytes.end
                } else {
                    bytes.start
                };
                self.spans.push(start..end);
            }
            (_, None) if remove_statement => self.spans.push(bytes),
            (_, None) => {}
        }
    }
}

/// Returns the byte ranges of the non-empty strings of a record, without their apostrophes.
fn strings(record: &Record<'_>, tokens: &[Token<'_>]) -> impl Iterator<Item = Range<u64>> {
    let text = record.text.as_ptr().addr();
    tokens.iter().filter_map(move |token| match token {
        Token::Text(raw) if !raw.is_empty() => {
            // A token is a slice of the text.
            let start = record.offset + (raw.as_ptr().addr() - text) as u64;
            Some(start..start + raw.len() as u64)
        }
        _ => None,
    })
}
