//! The states within parameters, which make up most of a file.

use super::{Digits, Lexer, MAX_NESTING, Mark, Section, State, Visitor, is_space, skip_space};
use crate::{InstanceId, StepError};

/// Bytes with a meaning within parameters; all others are skipped.
const SPECIAL: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = b"()'\"#;/<";
    let mut index = 0;
    while index < bytes.len() {
        table[bytes[index] as usize] = true;
        index += 1;
    }
    table
};

impl Lexer {
    pub(super) fn body(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        visitor: &mut impl Visitor,
    ) -> Result<usize, StepError> {
        let references = self.section == Section::Data && !self.malformed;
        while let Some(&byte) = chunk.get(at) {
            if !SPECIAL[usize::from(byte)] {
                at += 1;
                continue;
            }
            match byte {
                b'(' => {
                    self.depth += 1;
                    if self.depth > MAX_NESTING {
                        return Err(StepError::Nesting {
                            line: self.lines.line_at(chunk, at),
                            message: format!(
                                "parentheses are nested deeper than {MAX_NESTING} here."
                            ),
                        });
                    }
                }
                b')' => {
                    if self.depth == 0 {
                        return Err(self.unmatched(chunk, at));
                    }
                    self.depth -= 1;
                    if self.depth == 0 && !self.malformed {
                        self.state = State::Tail;
                        return Ok(at + 1);
                    }
                }
                b'#' if references => {
                    at = self.inline_reference(chunk, at + 1, visitor);
                    if self.state != State::Body {
                        return Ok(at);
                    }
                    continue;
                }
                b'\'' => {
                    // Most strings are empty; skip these without a change of state.
                    match chunk.get(at + 1..at + 3) {
                        Some([b'\'', b',' | b')']) => at += 1,
                        _ => return Ok(self.open(State::Text, at)),
                    }
                }
                b'"' => return Ok(self.open(State::Binary, at)),
                b'/' => return Ok(self.open_comment(at)),
                b'<' if matches!(self.section, Section::Anchor | Section::Reference) => {
                    return Ok(self.open(State::Uri, at));
                }
                b';' => return self.semicolon(chunk, at, visitor),
                _ => {}
            }
            at += 1;
        }
        Ok(at)
    }

    fn open(&mut self, state: State, at: usize) -> usize {
        self.outer = State::Body;
        self.opened = Mark::Here(at);
        self.state = state;
        at + 1
    }

    /// Reads a reference. Enters [`State::Reference`] only if the chunk ends within the reference.
    fn inline_reference(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        visitor: &mut impl Visitor,
    ) -> usize {
        let mut number = Digits::default();
        while let Some(&byte) = chunk.get(at) {
            if !byte.is_ascii_digit() {
                report_reference(number, visitor);
                return at;
            }
            number.push(byte);
            at += 1;
        }
        self.number = number;
        self.state = State::Reference;
        at
    }

    pub(super) fn reference(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        visitor: &mut impl Visitor,
    ) -> usize {
        while let Some(&byte) = chunk.get(at) {
            if !byte.is_ascii_digit() {
                report_reference(self.number, visitor);
                self.state = State::Body;
                break;
            }
            self.number.push(byte);
            at += 1;
        }
        at
    }

    fn semicolon(
        &mut self,
        chunk: &[u8],
        at: usize,
        visitor: &mut impl Visitor,
    ) -> Result<usize, StepError> {
        if self.depth > 0 {
            let open = self.depth;
            let subject = self.subject();
            return Err(StepError::Nesting {
                line: self.lines.line_at(chunk, at),
                message: format!("{subject} ends here with {open} parentheses still open."),
            });
        }
        self.end_record(chunk, at, visitor);
        Ok(at + 1)
    }

    pub(super) fn unmatched(&mut self, chunk: &[u8], at: usize) -> StepError {
        let subject = self.subject();
        StepError::Nesting {
            line: self.lines.line_at(chunk, at),
            message: format!("{subject} has a `)` here without a matching `(`."),
        }
    }

    fn subject(&self) -> String {
        match self.id {
            Some(id) => format!("instance {id}"),
            None => "the statement".to_owned(),
        }
    }

    pub(super) fn tail(
        &mut self,
        chunk: &[u8],
        at: usize,
        visitor: &mut impl Visitor,
    ) -> Result<usize, StepError> {
        let at = skip_space(chunk, at);
        match chunk.get(at) {
            None => Ok(at),
            Some(b';') => self.semicolon(chunk, at, visitor),
            Some(b'/') => Ok(self.open_comment(at)),
            Some(b')') => Err(self.unmatched(chunk, at)),
            // The `;` is missing, but the record is complete.
            Some(b'#') => {
                let began = self.began;
                self.tolerated
                    .malformed
                    .add(|| began.line(&mut self.lines, chunk));
                self.end_record(chunk, at, visitor);
                Ok(at)
            }
            // Anchors and section keywords may have further tokens after their parentheses.
            Some(_) if self.section != Section::Data => {
                self.state = State::Body;
                Ok(at)
            }
            Some(_) => {
                self.mark_malformed(chunk);
                Ok(at)
            }
        }
    }

    pub(super) fn binary(&mut self, chunk: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = chunk.get(at) {
            if byte == b'"' {
                self.state = self.outer;
                return at + 1;
            }
            if !byte.is_ascii_hexdigit() && !is_space(byte) {
                // An unmatched quotation mark must not consume the rest of the file.
                self.mark_malformed(chunk);
                return at;
            }
            at += 1;
        }
        at
    }
}

fn report_reference(number: Digits, visitor: &mut impl Visitor) {
    if number.count > 0 {
        // No instance can have such a large name, so it is undefined in any case.
        visitor.reference(InstanceId(if number.overflow {
            u64::MAX
        } else {
            number.value
        }));
    }
}
