//! Splits the bytes of a Part 21 file into sections and records, in one pass over chunks of any
//! size. It holds the text of one record at most, and only if the visitor asks for it.

mod body;
mod capture;
mod lines;
mod statement;
mod text;

use std::ops::Range;

use capture::Capture;
use lines::{Lines, Mark};

use crate::{InstanceId, StepError};

/// Parentheses nested deeper than this are refused. The formats need fewer than ten; a kernel that
/// recurses into them stands some ten thousand.
pub const MAX_NESTING: u32 = 1000;

/// No keyword of any schema is longer.
const MAX_WORD: usize = 256;

/// Is told what the lexer finds, in the order of the file.
pub(crate) trait Visitor {
    /// A section begins.
    fn section(&mut self, section: Section, line: u64);
    /// An instance gets its name; false if it is taken already.
    fn define(&mut self, id: InstanceId) -> bool;
    /// A simple instance has this keyword, in capitals; the answer is whether its text is wanted.
    fn instance(&mut self, keyword: &[u8]) -> bool;
    /// The same for a complex instance, of which this is the first keyword.
    fn complex_instance(&mut self, first: &[u8]) -> bool;
    /// An instance refers to another.
    fn reference(&mut self, id: InstanceId);
    /// A record ends whose text was wanted.
    fn record(&mut self, record: &Record<'_>);
    /// A statement ends; these bytes of the file are it, with its `;`. One that is cut short by the
    /// next, since a string of it was left open, is passed over.
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

/// A statement of the header, an instance, or an entry of the reference section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) section: Section,
    /// None in the header.
    pub(crate) id: Option<InstanceId>,
    /// In capitals; of a complex instance, the first; empty in the reference section.
    pub(crate) keyword: &'a [u8],
    /// Whether `text` goes on with further keywords.
    pub(crate) complex: bool,
    /// All that follows the keyword, up to the `;`.
    pub(crate) text: &'a [u8],
    /// Where `text` lies in the file, in bytes from its beginning.
    pub(crate) offset: u64,
    /// Whether `text` lacks its end, since there is too much of it.
    pub(crate) cut: bool,
    /// Where it begins.
    pub(crate) line: u64,
}

/// What the lexer put up with.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tolerated {
    pub(crate) malformed: Tally,
    pub(crate) apostrophes: Tally,
}

/// How often something was seen, and where first.
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

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between statements.
    Start,
    /// In the keyword of a statement that is no instance.
    Word,
    /// After `END-ISO-10303-21`.
    EndMark,
    /// In the digits of an instance's name.
    Name,
    /// Before the `=`.
    BeforeEquals,
    /// After the `=`.
    AfterEquals,
    /// In the keyword of a simple instance.
    Keyword,
    /// In or before the first keyword of a complex instance.
    ComplexKeyword,
    /// After the word of `&SCOPE`.
    Scope,
    /// Between a keyword and its `(`.
    BeforeOpen,
    /// In parameters, or in anything that is skipped up to its `;`.
    Body,
    /// In the digits of a reference.
    Reference,
    /// After the last `)` of a record.
    Tail,
    /// In a string.
    Text,
    /// After an apostrophe in a string, and white space if `true`.
    TextQuote(bool),
    /// After a line end in a string: it may have been left open.
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

/// The state between two chunks.
#[derive(Debug)]
pub(crate) struct Lexer {
    state: State,
    /// Where a string, a binary, a URI or a comment goes back to.
    outer: State,
    section: Section,
    lines: Lines,
    /// How many bytes lie before the current chunk.
    passed: u64,
    /// Where the statement began.
    began: Mark,
    /// The same, in bytes from the beginning of the file.
    began_at: u64,
    /// Where the text of the record begins, in bytes from the beginning of the file.
    text_at: u64,
    /// Where the string, binary, URI or comment began.
    opened: Mark,
    /// Where the record begins that may follow a string which was left open.
    candidate: Mark,
    /// The same, in bytes from the beginning of the file.
    candidate_at: u64,
    tolerated: Tolerated,
    /// The name of the instance.
    id: Option<InstanceId>,
    complex: bool,
    /// Whether the statement is skipped because nothing can be made of it.
    malformed: bool,
    depth: u32,
    number: Digits,
    word: Vec<u8>,
    capture: Capture,
}

/// A decimal number that is read byte by byte.
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

    /// Counts the lines of bytes that lie before the first section.
    pub(crate) fn skip(&mut self, chunk: &[u8]) {
        self.lines.end_chunk(chunk);
        self.passed += chunk.len() as u64;
    }

    /// Reads on.
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

    /// Where `at` lies, in bytes from the beginning of the file.
    const fn offset(&self, at: usize) -> u64 {
        self.passed + at as u64
    }

    /// The text of the record begins at `at`.
    fn open_text(&mut self, at: usize) {
        self.text_at = self.offset(at);
        self.capture.open(at);
    }

    /// No bytes are left; `marked` tells whether the last of them hold an end mark, which then lies
    /// within something that was never closed.
    pub(crate) fn finish(&self, marked: bool) -> Result<Tolerated, StepError> {
        if self.state == State::End {
            return Ok(self.tolerated);
        }
        if !marked {
            let line = self.last_line();
            return Err(StepError::Truncated { line });
        }
        let (opened, began) = (self.opened.earlier(), self.began.earlier());
        let (line, what) = match self.state {
            State::Text | State::TextQuote(_) | State::TextLine(_) => {
                (opened, "the string that begins here is never closed.")
            }
            State::Comment(_) => (opened, "the comment that begins here is never closed."),
            State::Uri => (opened, "the `<` that stands here is never closed."),
            _ => (
                began,
                "the statement that begins here swallows the end mark, for want of a `;`.",
            ),
        };
        Err(StepError::Syntax {
            line,
            what: what.to_owned(),
        })
    }

    /// The line of the last byte.
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

    /// Skips the rest of the statement, and counts it.
    fn give_up(&mut self, chunk: &[u8]) {
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

    /// The statement is over, at its `;` or where the next one begins.
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

/// White space, and the control characters that some programs leave about.
const fn is_space(byte: u8) -> bool {
    byte <= b' '
}

/// Where the first byte at or after `at` lies that is no white space.
fn skip_space(chunk: &[u8], at: usize) -> usize {
    let rest = &chunk[at..];
    at + rest
        .iter()
        .position(|&byte| !is_space(byte))
        .unwrap_or(rest.len())
}
