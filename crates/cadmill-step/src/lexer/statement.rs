//! The states from the start of a statement to its parameters.

use super::{Digits, Lexer, MAX_WORD, Mark, Section, State, Visitor, is_space, skip_space};
use crate::{InstanceId, StepError};

impl Lexer {
    pub(super) fn start(&mut self, chunk: &[u8], at: usize) -> Result<usize, StepError> {
        let at = skip_space(chunk, at);
        let Some(&byte) = chunk.get(at) else {
            return Ok(at);
        };
        match byte {
            b'/' => return Ok(self.open_comment(at)),
            b';' => return Ok(at + 1),
            _ => self.begin(at),
        }
        match byte {
            b'#' => {
                self.number = Digits::default();
                self.state = State::Name;
                return Ok(at + 1);
            }
            b')' => return Err(self.unmatched(chunk, at)),
            b'A'..=b'Z' | b'a'..=b'z' | b'!' => {
                self.word.clear();
                self.state = State::Word;
            }
            // Anchors begin with `<`, values of the reference section with `@`.
            b'<' | b'@' if matches!(self.section, Section::Anchor | Section::Reference) => {
                self.state = State::Body;
            }
            _ => self.mark_malformed(chunk),
        }
        Ok(at)
    }

    /// Reads a word or part of one. The flag is `true` if the word ends within the chunk.
    fn take_word(&mut self, chunk: &[u8], at: usize) -> (usize, bool) {
        let rest = &chunk[at..];
        let length = rest.iter().position(|&byte| !is_word(byte));
        let end = length.unwrap_or(rest.len());
        let remaining = MAX_WORD.saturating_sub(self.word.len());
        let taken = self.word.len();
        self.word.extend_from_slice(&rest[..end.min(remaining)]);
        self.word[taken..].make_ascii_uppercase();
        (at + end, length.is_some())
    }

    pub(super) fn word(&mut self, chunk: &[u8], at: usize, visitor: &mut impl Visitor) -> usize {
        let (at, ended) = self.take_word(chunk, at);
        if !ended {
            return at;
        }
        let section = match self.word.as_slice() {
            b"END-ISO-10303-21" => {
                self.state = State::EndMark;
                return at;
            }
            b"ENDSEC" => Section::Outside,
            b"HEADER" => Section::Header,
            b"ANCHOR" => Section::Anchor,
            b"REFERENCE" => Section::Reference,
            b"DATA" => Section::Data,
            b"SIGNATURE" => Section::Signature,
            _ if self.section == Section::Header => {
                self.capture.set_wanted(true);
                self.state = State::BeforeOpen;
                return at;
            }
            _ => {
                self.mark_malformed(chunk);
                return at;
            }
        };
        self.section = section;
        visitor.section(section, self.began.line(&mut self.lines, chunk));
        self.state = State::Body;
        at
    }

    pub(super) fn end_mark(&mut self, chunk: &[u8], at: usize) -> usize {
        let at = skip_space(chunk, at);
        match chunk.get(at) {
            None => at,
            Some(b';') => {
                self.state = State::End;
                at + 1
            }
            Some(b'/') => self.open_comment(at),
            Some(_) => {
                self.mark_malformed(chunk);
                at
            }
        }
    }

    pub(super) fn name(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        visitor: &mut impl Visitor,
    ) -> Result<usize, StepError> {
        while let Some(&byte) = chunk.get(at) {
            if !byte.is_ascii_digit() {
                if self.number.count == 0 {
                    self.mark_malformed(chunk);
                } else {
                    self.define(chunk, visitor)?;
                    self.state = State::BeforeEquals;
                }
                break;
            }
            self.number.push(byte);
            at += 1;
        }
        Ok(at)
    }

    /// Defines the instance whose name was read.
    pub(super) fn define(
        &mut self,
        chunk: &[u8],
        visitor: &mut impl Visitor,
    ) -> Result<(), StepError> {
        if self.number.overflow {
            return Err(StepError::Syntax {
                line: self.began.line(&mut self.lines, chunk),
                message: "the number of this instance is too large.".to_owned(),
            });
        }
        let id = InstanceId(self.number.value);
        self.id = Some(id);
        if visitor.define(id) {
            Ok(())
        } else {
            let line = self.began.line(&mut self.lines, chunk);
            Err(StepError::DuplicateId { line, id })
        }
    }

    pub(super) fn before_equals(&mut self, chunk: &[u8], at: usize) -> usize {
        let at = skip_space(chunk, at);
        match chunk.get(at) {
            None => at,
            Some(b'=') => {
                self.state = State::AfterEquals;
                at + 1
            }
            Some(b'/') => self.open_comment(at),
            Some(_) => {
                self.mark_malformed(chunk);
                at
            }
        }
    }

    pub(super) fn after_equals(&mut self, chunk: &[u8], at: usize) -> usize {
        let at = skip_space(chunk, at);
        match chunk.get(at) {
            None => at,
            Some(b'A'..=b'Z' | b'a'..=b'z' | b'!') => {
                self.word.clear();
                self.state = State::Keyword;
                at
            }
            Some(b'(') => {
                self.word.clear();
                self.complex = true;
                self.depth = 1;
                self.state = State::ComplexKeyword;
                at + 1
            }
            Some(b'<') if self.section == Section::Reference => {
                self.word.clear();
                self.capture.set_wanted(true);
                self.open_text(at);
                self.state = State::Body;
                at
            }
            Some(b'&') => {
                self.state = State::Scope;
                at + 1
            }
            Some(b'/') => self.open_comment(at),
            Some(_) => {
                self.mark_malformed(chunk);
                at
            }
        }
    }

    pub(super) fn keyword(&mut self, chunk: &[u8], at: usize, visitor: &mut impl Visitor) -> usize {
        let (at, ended) = self.take_word(chunk, at);
        if ended {
            self.capture.set_wanted(visitor.instance(&self.word));
            self.state = State::BeforeOpen;
        }
        at
    }

    pub(super) fn complex_keyword(
        &mut self,
        chunk: &[u8],
        at: usize,
        visitor: &mut impl Visitor,
    ) -> usize {
        if !self.word.is_empty() || is_word(chunk[at]) {
            let (at, ended) = self.take_word(chunk, at);
            if ended {
                self.capture
                    .set_wanted(visitor.complex_instance(&self.word));
                self.open_text(at);
                self.state = State::Body;
            }
            return at;
        }
        match chunk[at] {
            byte if is_space(byte) => at + 1,
            b'/' => self.open_comment(at),
            _ => {
                self.mark_malformed(chunk);
                at
            }
        }
    }

    /// Handles the scope of an instance (first edition of Part 21). Nested instances and, after
    /// `ENDSCOPE`, the instance's own parameters are read as separate statements.
    pub(super) fn scope(&mut self, chunk: &[u8], at: usize) -> usize {
        let rest = &chunk[at..];
        match rest.iter().position(|&byte| !is_word(byte)) {
            None => chunk.len(),
            Some(length) => {
                self.mark_malformed(chunk);
                self.state = State::Start;
                at + length
            }
        }
    }

    pub(super) fn before_open(&mut self, chunk: &[u8], at: usize) -> usize {
        let at = skip_space(chunk, at);
        match chunk.get(at) {
            None => {}
            Some(b'(') => {
                self.open_text(at);
                self.state = State::Body;
            }
            Some(b'/') => return self.open_comment(at),
            Some(_) => self.mark_malformed(chunk),
        }
        at
    }

    pub(super) fn open_comment(&mut self, at: usize) -> usize {
        self.outer = self.state;
        self.opened = Mark::Here(at);
        self.state = State::Slash;
        at + 1
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'!')
}
