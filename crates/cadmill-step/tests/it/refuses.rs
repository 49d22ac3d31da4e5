//! Refused files: the failure code, the line and the message.

use std::io::{self, Read};

use cadmill_domain::FailureCode;
use cadmill_step::{MAX_NESTING, StepError, inspect, inspect_path};

use crate::ASSEMBLY;

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, code: FailureCode, line: u64, message: &str) {
    let error = inspect(bytes.as_ref()).unwrap_err();
    assert_eq!((error.code(), error.line()), (code, Some(line)), "{error}");
    let failure = error.into_failure();
    assert_eq!(failure.code, code);
    assert!(
        failure.detail.starts_with(&format!("Line {line}: ")),
        "{failure}"
    );
    assert!(failure.detail.ends_with('.'), "{failure}");
    assert!(failure.detail.contains(message), "{failure}");
}

fn wrap(instances: &str) -> String {
    format!("ISO-10303-21;\nHEADER;\nENDSEC;\nDATA;\n{instances}\nENDSEC;\nEND-ISO-10303-21;\n")
}

#[test]
fn empty_files() {
    check("", FailureCode::StepEmpty, 1, "white space");
    check("\u{FEFF}", FailureCode::StepEmpty, 1, "white space");
    check(
        " \r\n".repeat(100_000),
        FailureCode::StepEmpty,
        1,
        "white space",
    );
}

#[test]
fn files_that_are_not_step() {
    check(
        "Hello\n",
        FailureCode::NotStep,
        1,
        "`ISO-10303-21;` is missing",
    );
    check([0; 10_000], FailureCode::NotStep, 1, "zero bytes");
    check(
        b"\x1F\x8B\x08\x00 ISO-10303-21;",
        FailureCode::NotStep,
        1,
        "gzip",
    );
    check(b"PK\x03\x04", FailureCode::NotStep, 1, "ZIP");
    check("%PDF-1.7\n", FailureCode::NotStep, 1, "PDF");
    check("solid a\nfacet normal", FailureCode::NotStep, 1, "STL");
    check(
        format!("{:72}S      1\n", ""),
        FailureCode::NotStep,
        1,
        "IGES",
    );
    let late = [" ".repeat(100_000).as_bytes(), ASSEMBLY].concat();
    check(late, FailureCode::NotStep, 1, "missing");
    let far = ["x".repeat(10_000).as_bytes(), ASSEMBLY].concat();
    check(far, FailureCode::NotStep, 1, "missing");
}

#[test]
fn truncated_files() {
    let text = String::from_utf8_lossy(ASSEMBLY);
    let mark = text.find("END-ISO").unwrap();
    let lines = text.lines().count() as u64;
    check(
        &text[..mark],
        FailureCode::StepTruncated,
        lines - 1,
        "END-ISO-10303-21;",
    );
    check(
        &text[..text.len() - 2],
        FailureCode::StepTruncated,
        lines,
        "END-ISO-10303-21;",
    );
    let half = &text[..text.find("the whole").unwrap()];
    let line = half.lines().count() as u64;
    check(half, FailureCode::StepTruncated, line, "END-ISO-10303-21;");
    check(
        "ISO-10303-21;",
        FailureCode::StepTruncated,
        1,
        "END-ISO-10303-21;",
    );
}

#[test]
fn files_without_geometry() {
    let placed = "#1=CARTESIAN_POINT('',(0.,0.,0.));#2=PRODUCT('ADVANCED_FACE','','',());";
    check(wrap(placed), FailureCode::StepNoGeometry, 4, "no face");
    check(
        "ISO-10303-21;\nEND-ISO-10303-21;",
        FailureCode::StepNoGeometry,
        2,
        "no data section",
    );
    let building = "ISO-10303-21;HEADER;FILE_SCHEMA(('IFC4'));ENDSEC;\nDATA;\n#1=IFCWALL();ENDSEC;\
                    END-ISO-10303-21;";
    check(building, FailureCode::StepNoGeometry, 2, "building");
}

#[test]
fn geometry_in_other_files() {
    let code = FailureCode::StepExternalReference;
    let documents = "#1=A();\n#2=DOCUMENT_FILE('bolt.stp','','',$,'',$);\n\
                     #3=DOCUMENT_FILE('','nut.stp','',$,'',$);\n#4=DOCUMENT_FILE('a','','',$,'',$);\
                     #5=DOCUMENT_FILE('b','','',$,'',$);";
    check(
        wrap(documents),
        code,
        6,
        "`bolt.stp`, `nut.stp`, `a` and 1 more",
    );
    let definition = "#1=PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS('','',#2,#3,());";
    check(wrap(definition), code, 5, "to other files");
    let reference = "ISO-10303-21;HEADER;ENDSEC;REFERENCE;\n#1=<../bolt.stp#root>;\nENDSEC;DATA;\
                     ENDSEC;END-ISO-10303-21;";
    check(reference, code, 2, "`../bolt.stp`");
}

#[test]
fn unbalanced_parentheses() {
    let code = FailureCode::StepNesting;
    check(
        wrap("#1=A((1.,\n2.);\n#2=CLOSED_SHELL('',());"),
        code,
        6,
        "#1 ends here with 1",
    );
    check(wrap("#1=A(1.));"), code, 5, "#1 has a `)` here");
    check(wrap(") #1=A();"), code, 5, "the statement has a `)` here");
    check(wrap("#1=(A() B(;"), code, 5, "#1 ends here with 2");
    check(
        "ISO-10303-21;\nHEADER;\nFILE_NAME((;",
        code,
        3,
        "the statement ends here",
    );
}

#[test]
fn parentheses_nested_too_deeply() {
    let nest = |depth: usize| format!("#1=A({}{});", "(".repeat(depth), ")".repeat(depth));
    check(
        wrap(&nest(20_000)),
        FailureCode::StepNesting,
        5,
        "deeper than 1000",
    );
    check(
        wrap(&nest(MAX_NESTING as usize)),
        FailureCode::StepNesting,
        5,
        "deeper than 1000",
    );
    let shell = "#2=CLOSED_SHELL('',());";
    let deepest = nest(MAX_NESTING as usize - 1) + shell;
    assert!(inspect(wrap(&deepest).as_bytes()).is_ok());
    let header = format!("ISO-10303-21;\nHEADER;\nFILE_NAME({}", "(".repeat(20_000));
    check(header, FailureCode::StepNesting, 3, "deeper");
}

#[test]
fn duplicate_instances() {
    let code = FailureCode::StepDuplicateId;
    check(
        wrap("#1=A();\n#2=A();\n#001=A();"),
        code,
        7,
        "#1 is defined a second time",
    );
    check(
        wrap("#7=A('open,\n#7=A();"),
        code,
        6,
        "#7 is defined a second time",
    );
    let sections = wrap("#1=A();\nENDSEC;\nDATA;\n#1=A();");
    check(sections, code, 8, "#1 is defined a second time");
}

#[test]
fn syntax_errors() {
    let code = FailureCode::StepSyntax;
    check(
        wrap("#1=A('x);"),
        code,
        5,
        "string that begins here is never closed",
    );
    check(
        wrap("#1=A();\n/* open"),
        code,
        6,
        "comment that begins here is never closed",
    );
    check(wrap("#99999999999999999999=A();"), code, 5, "too large");
    check(
        "ISO-10303-21;\nDATA\nEND-ISO-10303-21;",
        code,
        2,
        "has no `;` before the end mark",
    );
}

#[test]
fn unreadable_input() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("connection lost"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for error in [
        inspect(Broken).unwrap_err(),
        inspect(ASSEMBLY[..2000].chain(Broken)).unwrap_err(),
        inspect_path(&folder.path().join("missing.step")).unwrap_err(),
        inspect_path(folder.path()).unwrap_err(),
    ] {
        assert!(matches!(error, StepError::Io(_)));
        assert_eq!(
            (error.code(), error.line()),
            (FailureCode::Unreadable, None)
        );
        assert!(
            error
                .into_failure()
                .detail
                .starts_with("Reading it failed: ")
        );
    }
}
