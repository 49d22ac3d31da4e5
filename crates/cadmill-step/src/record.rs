//! Parses the parameters of a record into a flat list of tokens, so that nesting needs no
//! recursion.

use crate::{InstanceId, strings};

/// One token of a parameter list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Token<'a> {
    Open,
    Close,
    Comma,
    Reference(InstanceId),
    /// A string without its apostrophes, not decoded.
    Text(&'a [u8]),
    /// An enumeration without its dots.
    Enumeration(&'a [u8]),
    /// A number, a keyword, `$`, `*` or a binary.
    Plain(&'a [u8]),
}

/// Splits the text of a record into tokens.
pub(crate) fn tokens(text: &[u8]) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        let (length, token) = match byte {
            b'(' => (1, Some(Token::Open)),
            b')' => (1, Some(Token::Close)),
            b',' => (1, Some(Token::Comma)),
            b'\'' => {
                let (length, inner) = string(rest);
                (length, Some(Token::Text(inner)))
            }
            b'#' => {
                let digits = run(&rest[1..], u8::is_ascii_digit);
                let id = number(&rest[1..=digits]);
                (1 + digits, id.map(|id| Token::Reference(InstanceId(id))))
            }
            b'.' if rest.get(1).is_some_and(u8::is_ascii_alphabetic) => {
                let length = run(&rest[1..], |byte| {
                    byte.is_ascii_alphanumeric() || *byte == b'_'
                });
                let dot = usize::from(rest.get(length + 1) == Some(&b'.'));
                (
                    length + 1 + dot,
                    Some(Token::Enumeration(&rest[1..=length])),
                )
            }
            b'/' if rest.get(1) == Some(&b'*') => {
                let end = memchr::memmem::find(&rest[2..], b"*/");
                (end.map_or(rest.len(), |end| end + 4), None)
            }
            b'"' => {
                let end = memchr::memchr(b'"', &rest[1..]);
                let length = end.map_or(rest.len(), |end| end + 2);
                (length, Some(Token::Plain(&rest[..length])))
            }
            byte if byte <= b' ' => (1, None),
            _ => {
                let length = run(rest, |byte| !b"(),'#/\"".contains(byte) && *byte > b' ').max(1);
                (length, Some(Token::Plain(&rest[..length])))
            }
        };
        tokens.extend(token);
        at += length;
    }
    tokens
}

/// Splits the first list in `tokens` into its parameters.
pub(crate) fn parameters<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<&'t [Token<'a>]> {
    let mut parameters = Vec::new();
    let Some(open) = tokens.iter().position(|token| *token == Token::Open) else {
        return parameters;
    };
    let (mut depth, mut from) = (0_usize, open + 1);
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            _ => {}
        }
        let ends = match token {
            Token::Close => depth == 0,
            Token::Comma => depth == 1,
            _ => false,
        };
        if ends {
            parameters.push(&tokens[from..index]);
            from = index + 1;
        }
        if depth == 0 {
            break;
        }
    }
    parameters
}

/// Splits a complex instance into its entities, in file order. `first` is the first keyword.
pub(crate) fn partial_entities<'t, 'a>(
    first: &'a [u8],
    tokens: &'t [Token<'a>],
) -> Vec<(Vec<u8>, &'t [Token<'a>])> {
    let mut entities = vec![(first.to_ascii_uppercase(), 0, tokens.len())];
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth = depth.saturating_sub(1),
            Token::Plain(word) if depth == 0 => {
                if let Some(last) = entities.last_mut() {
                    last.2 = index;
                }
                entities.push((word.to_ascii_uppercase(), index + 1, tokens.len()));
            }
            _ => {}
        }
    }
    let slice = |(word, from, to)| (word, &tokens[from..to]);
    entities.into_iter().map(slice).collect()
}

/// Returns the reference of a parameter that is a single reference.
pub(crate) fn reference(parameter: Option<&&[Token<'_>]>) -> Option<InstanceId> {
    match parameter? {
        [Token::Reference(id)] => Some(*id),
        _ => None,
    }
}

/// Returns the decoded string of a parameter, or an empty string.
pub(crate) fn text(parameter: Option<&&[Token<'_>]>) -> String {
    parameter
        .and_then(|tokens| {
            // The string may have a type: `LABEL('x')`.
            tokens.iter().find_map(|token| match token {
                Token::Text(raw) => Some(strings::decode(raw)),
                _ => None,
            })
        })
        .unwrap_or_default()
}

/// Returns all strings of a list parameter.
pub(crate) fn texts(parameter: Option<&&[Token<'_>]>) -> Vec<String> {
    let tokens = parameter.copied().unwrap_or_default();
    let strings = tokens.iter().filter_map(|token| match token {
        Token::Text(raw) => Some(strings::decode(raw)),
        _ => None,
    });
    strings.collect()
}

/// Returns all references of a list parameter.
pub(crate) fn references(parameter: Option<&&[Token<'_>]>) -> Vec<InstanceId> {
    let tokens = parameter.copied().unwrap_or_default();
    let ids = tokens.iter().filter_map(|token| match token {
        Token::Reference(id) => Some(*id),
        _ => None,
    });
    ids.collect()
}

/// Returns a finite number, which may have a type: `LENGTH_MEASURE(25.4)`.
pub(crate) fn real(parameter: Option<&&[Token<'_>]>) -> Option<f64> {
    parameter?.iter().find_map(|token| match token {
        Token::Plain(plain) => {
            let value: f64 = std::str::from_utf8(plain).ok()?.parse().ok()?;
            value.is_finite().then_some(value)
        }
        _ => None,
    })
}

/// Returns the length of a string including its apostrophes, and its contents. As in the lexer, an
/// apostrophe closes the string only where a string may end.
fn string(rest: &[u8]) -> (usize, &[u8]) {
    let mut at = 1;
    while let Some(length) = memchr::memchr(b'\'', &rest[at..]) {
        let quote = at + length;
        let after = &rest[quote + 1..];
        if after.first() == Some(&b'\'') {
            at = quote + 2;
            continue;
        }
        let next = after.iter().find(|byte| **byte > b' ');
        if matches!(next, None | Some(b',' | b')' | b';' | b'/' | b'}')) {
            return (quote + 1, &rest[1..quote]);
        }
        at = quote + 1;
    }
    (rest.len(), &rest[1..])
}

fn run(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> usize {
    let end = bytes.iter().position(|byte| !belongs(byte));
    end.unwrap_or(bytes.len())
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_split_at_the_commas_of_their_own_list() {
        let tokens = tokens(b" ( 'a,b' , (1.,(2.)) /* , */ , #12,.T.,$, LABEL('x'),-1.5E-3) ");
        let parameters = parameters(&tokens);
        assert_eq!(parameters.len(), 7);
        assert_eq!(text(parameters.first()), "a,b");
        assert_eq!(reference(parameters.get(2)), Some(InstanceId(12)));
        assert_eq!(parameters[3], [Token::Enumeration(b"T")]);
        assert_eq!(text(parameters.get(5)), "x");
        assert_eq!(real(parameters.get(6)), Some(-0.0015));
    }

    #[test]
    fn an_apostrophe_that_was_not_doubled_stays_in_its_string() {
        let tokens = tokens(b"('O'Brien','it''s' ,'')");
        let parameters = parameters(&tokens);
        assert_eq!(text(parameters.first()), "O'Brien");
        assert_eq!(text(parameters.get(1)), "it's");
        assert_eq!(parameters[2], [Token::Text(b"")]);
    }

    #[test]
    fn a_complex_instance_is_split_into_its_entities() {
        let tokens = tokens(b"('INCH',#3) length_unit() NAMED_UNIT(#4) )");
        let entities = partial_entities(b"CONVERSION_BASED_UNIT", &tokens);
        let names: Vec<_> = entities.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(
            names,
            [&b"CONVERSION_BASED_UNIT"[..], b"LENGTH_UNIT", b"NAMED_UNIT"]
        );
        assert_eq!(text(parameters(entities[0].1).first()), "INCH");
        assert_eq!(
            reference(parameters(entities[2].1).first()),
            Some(InstanceId(4))
        );
    }
}
