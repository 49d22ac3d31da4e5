//! What holds for any bytes, and for any way to deal them out.

use std::io::{self, Read};

use cadmill_domain::ContentHash;
use cadmill_step::{ExternalNames, StepError, StepSummary, inspect};
use proptest::prelude::*;

use crate::{ASSEMBLY, ODD};

/// Gives some bytes at a time, in turn as many as `sizes` says.
struct Dealt<'a> {
    bytes: &'a [u8],
    sizes: &'a [usize],
    turn: usize,
}

impl Read for Dealt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].min(buffer.len());
        self.turn += 1;
        self.bytes.read(&mut buffer[..size])
    }
}

fn shown(result: Result<StepSummary, StepError>) -> String {
    match result {
        Ok(summary) => serde_json::to_string(&summary).unwrap(),
        Err(error) => format!("{:?}", error.into_failure()),
    }
}

/// Whatever the bytes are, the answer makes sense and does not depend on how they are dealt out.
#[track_caller]
pub(crate) fn check(bytes: &[u8], sizes: &[usize]) {
    let result = inspect(bytes);
    match &result {
        Ok(summary) => {
            assert_eq!(summary.hash, ContentHash::of(bytes));
            assert_eq!(summary.bytes, bytes.len() as u64);
            assert!(!summary.geometry.is_empty());
            let products = summary.products.len();
            let counts = &summary.counts;
            assert_eq!(counts.parts + counts.assemblies, products as u64);
            assert!(counts.depth <= products as u64);
            for occurrence in &summary.occurrences {
                assert!(occurrence.parent.0 < products && occurrence.child.0 < products);
            }
            check_copy(bytes, summary.names_other_files);
        }
        Err(error) => {
            let ends = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r'));
            let line = error.line().unwrap();
            assert!((1..=ends.count() as u64 + 1).contains(&line), "{error}");
        }
    }
    let dealt = Dealt {
        bytes,
        sizes,
        turn: 0,
    };
    assert_eq!(shown(inspect(dealt)), shown(result));
}

/// Other files are found by both ways of looking for them, and the copy names none.
#[track_caller]
fn check_copy(bytes: &[u8], names_other_files: bool) {
    let names = ExternalNames::find(bytes).unwrap();
    assert_eq!(names.is_empty(), !names_other_files);
    let mut copy = Vec::new();
    names.copy_without(bytes, &mut copy).unwrap();
    assert_eq!(copy == bytes, names.is_empty());
    assert!(ExternalNames::find(copy.as_slice()).unwrap().is_empty());
}

#[test]
fn byte_by_byte_is_the_same() {
    for sample in [ASSEMBLY, ODD] {
        for size in 1..20 {
            check(sample, &[size]);
        }
    }
}

#[test]
fn instances_among_those_of_the_header() {
    for record in ["DOCUMENT_FILE('a','b')", "(DOCUMENT('d')X('e'))"] {
        let file = format!("ISO-10303-21;HEADER;#1={record};ENDSEC;DATA;#2=FACE();ENDSEC;");
        check(file.as_bytes(), &[1]);
        check(file.as_bytes(), &[40]);
    }
}

#[test]
fn sections_that_are_not_begun_or_ended_as_they_should_be() {
    for section in [
        "ANCHOR;",
        "REFERENCE';\n#900=<a.step#b>;\nENDSEC;DATA;",
        "ANCHOR';\n#3=X();",
    ] {
        let file = format!("ISO-10303-21;DATA;#2=FACE();{section}END-ISO-10303-21;");
        check(file.as_bytes(), &[1]);
        check(file.as_bytes(), &[40]);
    }
}

/// Bytes that mean something to the lexer are more telling than others.
fn telling_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(b"()'\"#;/*\\<>=&!{}.,$@ \n\r0A-".to_vec()),
        1 => any::<u8>(),
    ]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..40_usize, 1..8)
}

/// Words of the exchange structure in any order.
fn words() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "ISO-10303-21;",
        "END-ISO-10303-21;",
        "HEADER;",
        "DATA;",
        "ENDSEC;",
        "ANCHOR;",
        "REFERENCE;",
        "SIGNATURE",
        "#1",
        "#2=",
        "#3 = ",
        "=",
        "(",
        ")",
        ",",
        ";",
        "'",
        "''",
        "\n",
        "/*",
        "*/",
        "\"",
        "<",
        ">",
        "&SCOPE",
        "PRODUCT",
        "PRODUCT('a','b','',())",
        "CLOSED_SHELL",
        "CLOSED_SHELL();",
        "#9=DOCUMENT_FILE('a','b')",
        "EXTERNAL_SOURCE('c')",
        "#8=(DOCUMENT('d')X('e'))",
        "(LENGTH_UNIT()NAMED_UNIT(*)SI_UNIT(.MILLI.,.METRE.))",
        "FILE_NAME",
        "1.5",
        "$",
        "\\X2\\",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| {
        let text = format!("ISO-10303-21;HEADER;ENDSEC;DATA;{}", words.concat());
        text.into_bytes()
    })
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000), sizes in sizes()) {
        check(&bytes, &sizes);
    }

    #[test]
    fn any_bytes_behind_the_start_mark(
        bytes in prop::collection::vec(telling_byte(), 0..400),
        whole in any::<bool>(),
        sizes in sizes(),
    ) {
        let end: &[u8] = if whole { b"END-ISO-10303-21;" } else { b"" };
        check(&[b"ISO-10303-21;DATA;#1=FACE();", bytes.as_slice(), end].concat(), &sizes);
    }

    #[test]
    fn any_words(words in words(), sizes in sizes()) {
        check(&words, &sizes);
    }

    #[test]
    fn any_byte_changed(
        at in any::<prop::sample::Index>(),
        byte in telling_byte(),
        odd in any::<bool>(),
        sizes in sizes(),
    ) {
        let mut bytes = if odd { ODD } else { ASSEMBLY }.to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        check(&bytes, &sizes);
    }
}

#[test]
fn every_byte_changed_to_what_means_most() {
    for sample in [ASSEMBLY, ODD] {
        let mut bytes = sample.to_vec();
        for at in 0..bytes.len() {
            for byte in *b"'(;#" {
                let before = std::mem::replace(&mut bytes[at], byte);
                // What is asked here is only that it comes back.
                let _ = inspect(bytes.as_slice()).map_err(StepError::into_failure);
                bytes[at] = before;
            }
        }
    }
}
