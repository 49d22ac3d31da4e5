//! The states within strings, URIs and comments.

use memchr::{memchr, memchr2};

use super::{Digits, Lexer, Mark, State, TextLine, Visitor, skip_space};
use crate::StepError;

impl Lexer {
    pub(super) fn text(&mut self, chunk: &[u8], at: usize) -> usize {
        match memchr2(b'\'', b'\n', &chunk[at..]) {
            None => chunk.len(),
            Some(length) => {
                let found = at + length;
                self.state = if chunk[found] == b'\n' {
                    State::TextLine(TextLine::Start)
                } else {
                    State::TextQuote(false)
                };
                found + 1
            }
        }
    }

    /// Decides whether an apostrophe closes the string. Where a string cannot end, it is an
    /// apostrophe that was not doubled, and part of the string; geometry kernels read it the same
    /// way.
    pub(super) fn text_quote(&mut self, chunk: &[u8], at: usize, space: bool) -> usize {
        let next = skip_space(chunk, at);
        let space = space || next > at;
        match chunk.get(next) {
            None => self.state = State::TextQuote(space),
            Some(b'\'') if !space => {
                self.state = State::Text;
                return next + 1;
            }
            Some(b',' | b')' | b';' | b'/' | b'}') => self.state = self.outer,
            Some(_) => {
                let opened = self.opened;
                self.tolerated
                    .apostrophes
                    .add(|| opened.line(&mut self.lines, chunk));
                // The white space may have contained a line end, after which a record may begin.
                self.state = State::TextLine(TextLine::Start);
            }
        }
        next
    }

    /// Detects `#12 =` at the beginning of a line within a string, which means that the string was
    /// never closed. Its record is dropped, and a new one begins.
    pub(super) fn text_line(
        &mut self,
        chunk: &[u8],
        at: usize,
        seen: TextLine,
        visitor: &mut impl Visitor,
    ) -> Result<usize, StepError> {
        if seen == TextLine::Digits {
            return Ok(self.text_line_digits(chunk, at));
        }
        let next = skip_space(chunk, at);
        match (seen, chunk.get(next)) {
            (_, None) => {}
            (TextLine::Start, Some(b'#')) => {
                self.number = Digits::default();
                self.candidate = Mark::Here(next);
                self.candidate_at = self.offset(next);
                self.state = State::TextLine(TextLine::Digits);
                return Ok(next + 1);
            }
            (TextLine::Space, Some(b'=')) => {
                let began = self.candidate;
                self.mark_malformed(chunk);
                visitor.statement(self.began_at..self.candidate_at);
                self.begin(next);
                self.began = began;
                self.began_at = self.candidate_at;
                self.define(chunk, visitor)?;
                self.state = State::AfterEquals;
                return Ok(next + 1);
            }
            _ => self.state = State::Text,
        }
        Ok(next)
    }

    fn text_line_digits(&mut self, chunk: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = chunk.get(at) {
            if !byte.is_ascii_digit() {
                self.state = if self.number.count == 0 {
                    State::Text
                } else {
                    State::TextLine(TextLine::Space)
                };
                break;
            }
            self.number.push(byte);
            at += 1;
        }
        at
    }

    pub(super) fn uri(&mut self, chunk: &[u8], at: usize) -> usize {
        match memchr(b'>', &chunk[at..]) {
            None => chunk.len(),
            Some(length) => {
                self.state = self.outer;
                at + length + 1
            }
        }
    }

    pub(super) fn slash(&mut self, chunk: &[u8], at: usize) -> usize {
        if chunk[at] == b'*' {
            self.state = State::Comment(false);
            return at + 1;
        }
        self.state = self.outer;
        match self.state {
            State::Body => {}
            State::Start => {
                self.begin(at);
                self.mark_malformed(chunk);
            }
            _ => self.mark_malformed(chunk),
        }
        at
    }

    pub(super) fn comment(&mut self, chunk: &[u8], at: usize, star: bool) -> usize {
        if star {
            match chunk[at] {
                b'/' => self.state = self.outer,
                b'*' => {}
                _ => self.state = State::Comment(false),
            }
            return at + 1;
        }
        match memchr(b'*', &chunk[at..]) {
            None => chunk.len(),
            Some(length) => {
                self.state = State::Comment(true);
                at + length + 1
            }
        }
    }
}
