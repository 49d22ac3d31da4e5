//! Invariants that hold for any input and any chunk sizes.

use std::io::{self, Read};

use cadmill_domain::ContentHash;
use cadmill_step::{ExternalNames, StepError, StepSummary, inspect};
use proptest::prelude::*;

use crate::{ASSEMBLY, ODD};

/// A reader whose reads return `sizes` bytes in turn.
struct Chunked<'a> {
    bytes: &'a [u8],
    sizes: &'a [usize],
    turn: usize,
}

impl Read for Chunked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].min(buffer.len());
        self.turn += 1;
        self.bytes.read(&mut buffer[..size])
    }
}

fn describe(result: Result<StepSummary, StepError>) -> String {
    match result {
        Ok(summary) => serde_json::to_string(&summary).unwrap(),
        Err(error) => format!("{:?}", error.into_failure()),
    }
}

/// Checks that the result for any input is consistent and does not depend on the chunk sizes.
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
    let chunked = Chunked {
        bytes,
        sizes,
        turn: 0,
    };
    assert_eq!(describe(inspect(chunked)), describe(result));
}

/// Checks that the summary and [`ExternalNames`] agree, and that the copy refers to no other file.
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
fn chunk_sizes_do_not_affect_the_result() {
    for sample in [ASSEMBLY, ODD] {
        for size in 1..20 {
            check(sample, &[size]);
        }
    }
}

#[test]
fn instances_in_the_header() {
    for record in ["DOCUMENT_FILE('a','b')", "(DOCUMENT('d')X('e'))"] {
        let file = format!("ISO-10303-21;HEADER;#1={record};ENDSEC;DATA;#2=FACE();ENDSEC;");
        check(file.as_bytes(), &[1]);
        check(file.as_bytes(), &[40]);
    }
}

#[test]
fn malformed_section_boundaries() {
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

/// Mostly bytes with a meaning to the lexer, which find more errors than others.
fn structural_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => prop::sample::select(b"()'\"#;/*\\<>=&!{}.,$@ \n\r0A-".to_vec()),
        1 => any::<u8>(),
    ]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1..40_usize, 1..8)
}

/// Tokens of the exchange structure in any order.
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
    fn any_bytes_after_the_start_mark(
        bytes in prop::collection::vec(structural_byte(), 0..400),
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
    fn any_byte_replaced(
        at in any::<prop::sample::Index>(),
        byte in structural_byte(),
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
fn every_byte_replaced_by_a_delimiter() {
    for sample in [ASSEMBLY, ODD] {
        let mut bytes = sample.to_vec();
        for at in 0..bytes.len() {
            for byte in *b"'(;#" {
                let before = std::mem::replace(&mut bytes[at], byte);
                // The call must return; the result does not matter.
                let _ = inspect(bytes.as_slice()).map_err(StepError::into_failure);
                bytes[at] = before;
            }
        }
    }
}
