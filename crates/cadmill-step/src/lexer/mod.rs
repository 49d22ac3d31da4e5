//! Splits a Part 21 file into sections and records in one pass over chunks of any size. At most the
//! text of one record is held in memory, and only if the visitor requests it.

mod body;
mod capture;
mod lines;
mod statement;
mod text;

use std::ops::Range;

use capture::Capture;
use lines::{Lines, Mark};

use crate::{InstanceId, StepError};

/// The maximum nesting depth of parentheses. Known schemas need fewer than ten levels, while a
/// kernel that parses recursively fails at about ten thousand.
pub const MAX_NESTING: u32 = 1000;

/// Longer than the keywords of all schemas, in bytes.
const MAX_WORD: usize = 256;

/// Receives what the lexer finds, in file order.
pub(crate) trait Visitor {
    /// A section begins on `line`.
    fn section(&mut self, section: Section, line: u64);
    /// An instance is defined. Returns `false` if its name is already in use.
    fn define(&mut self, id: InstanceId) -> bool;
    /// A simple instance has this keyword, in upper case. Returns whether its text is wanted.
    fn instance(&mut self, keyword: &[u8]) -> bool;
    /// A complex instance begins with this keyword. Returns whether its text is wanted.
    fn complex_instance(&mut self, first: &[u8]) -> bool;
    /// An instance refers to `id`.
    fn reference(&mut self, id: InstanceId);
    /// A record ends whose text was wanted.
    fn record(&mut self, record: &Record<'_>);
    /// A statement ends. `bytes` is its range in the file, including the `;`. A statement with an
    /// unclosed string ends where the next instance begins.
    fn statement(&mut self, _bytes: Range<u64>) {}
}

/// The sections of an exchange structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// Before, between and after the sections.
    Outside,
    Header,
    Anchor,
    Reference,
    Data,
    Signature,
}

/// A header statement, an instance, or an entry of the reference section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) section: Section,
    /// The instance name; `None` in the header.
    pub(crate) id: Option<InstanceId>,
    /// The keyword in upper case; the first one of a complex instance; empty in the reference
    /// section.
    pub(crate) keyword: &'a [u8],
    /// Whether `text` contains further keywords.
    pub(crate) complex: bool,
    /// Everything after the keyword, up to the `;`.
    pub(crate) text: &'a [u8],
    /// The offset of `text` in the file, in bytes.
    pub(crate) offset: u64,
    /// Whether `text` was truncated because of its length.
    pub(crate) cut: bool,
    /// The line on which the record begins.
    pub(crate) line: u64,
}

/// Errors that the lexer recovered from.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tolerated {
    pub(crate) malformed: Tally,
    pub(crate) apostrophes: Tally,
}

/// A count of occurrences, with the line of the first.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) first_line: u64,
}

impl Tally {
    fn add(&mut self, line: impl FnOnce() -> u64) {
        if self.count == 0 {
            self.first_line = line();
        }
        self.count += 1;
    }
}

/// The lexical state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between statements.
    Start,
    /// In the keyword of a statement other than an instance.
    Word,
    /// After `END-ISO-10303-21`.
    EndMark,
    /// In the digits of an instance name.
    Name,
    /// Before the `=`.
    BeforeEquals,
    /// After the `=`.
    AfterEquals,
    /// In the keyword of a simple instance.
    Keyword,
    /// In or before the first keyword of a complex instance.
    ComplexKeyword,
    /// In the keyword of `&SCOPE`.
    Scope,
    /// Between a keyword and its `(`.
    BeforeOpen,
    /// In parameters, or in a statement that is skipped up to its `;`.
    Body,
    /// In the digits of a reference.
    Reference,
    /// After the last `)` of a record.
    Tail,
    /// In a string.
    Text,
    /// After an apostrophe in a string, and after white space if `true`.
    TextQuote(bool),
    /// After a line end in a string, which may be unclosed.
    TextLine(TextLine),
    /// In `"…"`.
    Binary,
    /// In `<…>`.
    Uri,
    /// After a `/`.
    Slash,
    /// In a comment, after a `*` if `true`.
    Comment(bool),
    /// After `END-ISO-10303-21;`.
    End,
}

/// How much of `#12 =` was seen at the beginning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TextLine {
    Start,
    Digits,
    Space,
}

/// The lexer; its fields are the state between two chunks.
#[derive(Debug)]
pub(crate) struct Lexer {
    state: State,
    /// The state to return to after a string, binary, URI or comment.
    outer: State,
    section: Section,
    lines: Lines,
    /// The number of bytes before the current chunk.
    passed: u64,
    /// The start of the statement.
    began: Mark,
    /// The same as a byte offset in the file.
    began_at: u64,
    /// The byte offset of the record's text in the file.
    text_at: u64,
    /// The start of the string, binary, URI or comment.
    opened: Mark,
    /// The start of a record that may follow an unclosed string.
    candidate: Mark,
    /// The same as a byte offset in the file.
    candidate_at: u64,
    tolerated: Tolerated,
    /// The name of the current instance.
    id: Option<InstanceId>,
    complex: bool,
    /// Whether the statement is malformed, so that the rest of it is skipped.
    malformed: bool,
    depth: u32,
    number: Digits,
    word: Vec<u8>,
    capture: Capture,
}

/// A decimal number, read byte by byte.
#[derive(Debug, Default, Clone, Copy)]
struct Digits {
    value: u64,
    count: usize,
    overflow: bool,
}

impl Digits {
    fn push(&mut self, digit: u8) {
        let next = self.value.checked_mul(10);
        match next.and_then(|value| value.checked_add(u64::from(digit - b'0'))) {
            Some(value) => self.value = value,
            None => self.overflow = true,
        }
        self.count += 1;
    }
}

impl Lexer {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Start,
            outer: State::Start,
            section: Section::Outside,
            lines: Lines::default(),
            passed: 0,
            began: Mark::Here(0),
            began_at: 0,
            text_at: 0,
            opened: Mark::Here(0),
            candidate: Mark::Here(0),
            candidate_at: 0,
            tolerated: Tolerated::default(),
            id: None,
            complex: false,
            malformed: false,
            depth: 0,
            number: Digits::default(),
            word: Vec::new(),
            capture: Capture::default(),
        }
    }

    /// Counts the lines of bytes before the first section.
    pub(crate) fn skip(&mut self, chunk: &[u8]) {
        self.lines.end_chunk(chunk);
        self.passed += chunk.len() as u64;
    }

    /// Processes the next chunk.
    pub(crate) fn push(
        &mut self,
        chunk: &[u8],
        visitor: &mut impl Visitor,
    ) -> Result<(), StepError> {
        let mut at = 0;
        while at < chunk.len() {
            at = match self.state {
                State::Start => self.start(chunk, at)?,
                State::Word => self.word(chunk, at, visitor),
                State::EndMark => self.end_mark(chunk, at),
                State::Name => self.name(chunk, at, visitor)?,
                State::BeforeEquals => self.before_equals(chunk, at),
                State::AfterEquals => self.after_equals(chunk, at),
                State::Keyword => self.keyword(chunk, at, visitor),
                State::ComplexKeyword => self.complex_keyword(chunk, at, visitor),
                State::Scope => self.scope(chunk, at),
                State::BeforeOpen => self.before_open(chunk, at),
                State::Body => self.body(chunk, at, visitor)?,
                State::Reference => self.reference(chunk, at, visitor),
                State::Tail => self.tail(chunk, at, visitor)?,
                State::Text => self.text(chunk, at),
                State::TextQuote(space) => self.text_quote(chunk, at, space),
                State::TextLine(seen) => self.text_line(chunk, at, seen, visitor)?,
                State::Binary => self.binary(chunk, at),
                State::Uri => self.uri(chunk, at),
                State::Slash => self.slash(chunk, at),
                State::Comment(star) => self.comment(chunk, at, star),
                State::End => chunk.len(),
            };
        }
        self.end_chunk(chunk);
        Ok(())
    }

    fn end_chunk(&mut self, chunk: &[u8]) {
        self.capture.end_chunk(chunk);
        self.began.end_chunk(&mut self.lines, chunk);
        self.opened.end_chunk(&mut self.lines, chunk);
        self.candidate.end_chunk(&mut self.lines, chunk);
        self.lines.end_chunk(chunk);
        self.passed += chunk.len() as u64;
    }

    /// Returns the byte offset in the file of position `at`.
    const fn offset(&self, at: usize) -> u64 {
        self.passed + at as u64
    }

    /// Starts the text of the record at `at`.
    fn open_text(&mut self, at: usize) {
        self.text_at = self.offset(at);
        self.capture.open(at);
    }

    /// Ends the input. `marked` is whether its last bytes contain an end mark; if the lexer did not
    /// see it, the mark is inside an unclosed construct.
    pub(crate) fn finish(&self, marked: bool) -> Result<Tolerated, StepError> {
        if self.state == State::End {
            return Ok(self.tolerated);
        }
        if !marked {
            let line = self.last_line();
            return Err(StepError::Truncated { line });
        }
        let (opened, began) = (self.opened.earlier(), self.began.earlier());
        let (line, message) = match self.state {
            State::Text | State::TextQuote(_) | State::TextLine(_) => {
                (opened, "the string that begins here is never closed.")
            }
            State::Comment(_) => (opened, "the comment that begins here is never closed."),
            State::Uri => (opened, "the `<` here is never closed."),
            _ => (
                began,
                "the statement that begins here has no `;` before the end mark.",
            ),
        };
        Err(StepError::Syntax {
            line,
            message: message.to_owned(),
        })
    }

    /// Returns the line of the last byte.
    pub(crate) const fn last_line(&self) -> u64 {
        self.lines.last()
    }

    fn begin(&mut self, at: usize) {
        self.began = Mark::Here(at);
        self.began_at = self.offset(at);
        self.id = None;
        self.complex = false;
        self.malformed = false;
        self.capture.reset();
        self.depth = 0;
    }

    /// Counts the statement as malformed and skips the rest of it.
    fn mark_malformed(&mut self, chunk: &[u8]) {
        if !self.malformed {
            let began = self.began;
            self.tolerated
                .malformed
                .add(|| began.line(&mut self.lines, chunk));
        }
        self.malformed = true;
        self.capture.reset();
        self.state = State::Body;
    }

    /// Ends the statement, at its `;` or at the start of the next one.
    fn end_record(&mut self, chunk: &[u8], at: usize, visitor: &mut impl Visitor) {
        self.state = State::Start;
        self.report_record(chunk, at, visitor);
        let semicolon = u64::from(chunk.get(at) == Some(&b';'));
        visitor.statement(self.began_at..self.offset(at) + semicolon);
    }

    fn report_record(&mut self, chunk: &[u8], at: usize, visitor: &mut impl Visitor) {
        let Some((text, cut)) = self.capture.close(chunk, at) else {
            return;
        };
        let line = self.began.line(&mut self.lines, chunk);
        visitor.record(&Record {
            section: self.section,
            id: self.id,
            keyword: &self.word,
            complex: self.complex,
            text,
            offset: self.text_at,
            cut,
            line,
        });
        if cut {
            self.tolerated.malformed.add(|| line);
        }
    }
}

/// Whether a byte is white space or a control character, which some programs leave behind.
const fn is_space(byte: u8) -> bool {
    byte <= b' '
}

/// Returns the position of the first byte at or after `at` that is not white space.
fn skip_space(chunk: &[u8], at: usize) -> usize {
    let rest = &chunk[at..];
    at + rest
        .iter()
        .position(|&byte| !is_space(byte))
        .unwrap_or(rest.len())
}
