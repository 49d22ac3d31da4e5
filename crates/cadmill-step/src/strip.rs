//! A copy of a file that refers to no other file.
//!
//! Removed are the strings of documents, external sources, external identifications and externally
//! defined representations (simple or complex, in any case of letters), the anchor and reference
//! sections, and the populations of the header. All other bytes stay as they are.

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

const BUFFER: usize = 256 << 10;

/// Where in a file other files are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExternalNames {
    /// In bytes from the beginning, in ascending order and apart from each other.
    spans: Vec<Range<u64>>,
}

impl ExternalNames {
    /// Looks for them in a file.
    ///
    /// # Errors
    /// If the bytes cannot be read, or are refused.
    pub fn find(reader: impl Read) -> Result<Self, StepError> {
        let mut finder = Finder::default();
        scan(&mut Source::new(reader), &mut finder)?;
        // A section that nothing ended but the end of the file.
        let open = finder.section.map(|start| start..finder.last);
        finder.spans.extend(open);
        Ok(Self {
            spans: finder.spans,
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Copies the file, from its first byte on, without them.
    ///
    /// # Errors
    /// If the one cannot be read or the other not be written.
    pub fn copy_without(&self, mut source: impl Read, target: &mut impl Write) -> io::Result<()> {
        let mut at = 0;
        let mut buffer = vec![0; BUFFER];
        for span in &self.spans {
            let kept = io::copy(&mut source.by_ref().take(span.start - at), target)?;
            let mut left = span.end - span.start;
            at += kept;
            while left > 0 {
                let room = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
                let read = source.read(&mut buffer[..room])?;
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

/// Collects the spans.
#[derive(Debug, Default)]
struct Finder {
    spans: Vec<Range<u64>>,
    /// The section whose keyword was read last, until its statement ends.
    begun: Option<Section>,
    /// Where a section begins that is left out.
    section: Option<u64>,
    /// Whether the current statement is left out.
    unwanted: bool,
    /// Where the last statement ended.
    last: u64,
}

impl Visitor for Finder {
    fn section(&mut self, section: Section, _line: u64) {
        self.begun = Some(section);
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
        // Instances count as such wherever they are, also between those of the header.
        if record.id.is_none() {
            self.unwanted = names_a_population(record.keyword);
            return;
        }
        if self.section.is_some() {
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
            self.unwanted = true;
        } else if names_files {
            self.spans.extend(strings(record, &tokens));
        }
    }

    fn statement(&mut self, bytes: Range<u64>) {
        self.last = bytes.end;
        let begun = self.begun.take();
        let unwanted = std::mem::take(&mut self.unwanted);
        match (begun, self.section) {
            (Some(Section::Anchor | Section::Reference), None) => self.section = Some(bytes.start),
            (Some(Section::Anchor | Section::Reference) | None, Some(_)) => {}
            (Some(section), Some(start)) => {
                self.section = None;
                // The end of the section goes with it; another section that begins here stays.
                let end = if section == Section::Outside {
                    bytes.end
                } else {
                    bytes.start
                };
                self.spans.push(start..end);
            }
            (_, None) if unwanted => self.spans.push(bytes),
            (_, None) => {}
        }
    }
}

/// Where the strings of a record lie that are not empty, without their apostrophes.
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
