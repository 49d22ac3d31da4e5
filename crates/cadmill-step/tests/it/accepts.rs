//! The summary of files that are accepted.

use cadmill_step::{ProductKind, StepSummary, inspect};

use crate::{ASSEMBLY, ODD};

#[test]
fn an_assembly_is_summarised() {
    insta::assert_json_snapshot!(inspect(ASSEMBLY).unwrap());
}

#[test]
fn everything_odd_at_once_is_summarised() {
    insta::assert_json_snapshot!(inspect(ODD).unwrap());
}

/// Wraps the instances in a file that also holds a shell.
fn wrap(instances: &str) -> String {
    format!(
        "ISO-10303-21;HEADER;FILE_SCHEMA(('CONFIG_CONTROL_DESIGN'));ENDSEC;DATA;\n\
         #1=CLOSED_SHELL('',());{instances}\nENDSEC;END-ISO-10303-21;"
    )
}

#[track_caller]
fn read(bytes: impl AsRef<[u8]>) -> StepSummary {
    inspect(bytes.as_ref()).unwrap()
}

#[track_caller]
fn check_name(raw: &[u8], expected: &str) {
    let text = wrap("#2=PRODUCT('',' @ ','',());");
    let at = text.find('@').unwrap();
    let bytes = [&text.as_bytes()[..at], raw, &text.as_bytes()[at + 1..]].concat();
    assert_eq!(read(bytes).products[0].name, format!(" {expected} "));
}

#[test]
fn names_are_decoded() {
    check_name(
        br"Geh\X2\00E4\X0\use \X4\000096F600004EF6\X0\",
        "Gehäuse 零件",
    );
    check_name(br"Geh\X\E4use", "Gehäuse");
    check_name(br"Geh\S\duse \PB\\S\3", "Gehäuse ł");
    check_name("Gehäuse 零件".as_bytes(), "Gehäuse 零件");
    check_name(b"Geh\xE4use", "Gehäuse");
    check_name(br"it''s C:\\x;(#5)/*", r"it's C:\x;(#5)/*");
    check_name("x".repeat(1 << 20).as_bytes(), &"x".repeat(1 << 20));
}

#[test]
fn byte_order_mark_line_ends_and_trailing_bytes_do_not_matter() {
    let plain = read(ASSEMBLY);
    let crlf = String::from_utf8_lossy(ASSEMBLY).replace('\n', "\r\n");
    let mut variants = vec![
        format!("\u{FEFF}{}", String::from_utf8_lossy(ASSEMBLY)).into_bytes(),
        crlf.clone().into_bytes(),
        crlf.replace('\n', "").into_bytes(),
        [ASSEMBLY, b"\0\0\0 trailing ' (( garbage"].concat(),
        [b"/* leading */\n\n", ASSEMBLY].concat(),
    ];
    for variant in &mut variants {
        let summary = read(&variant);
        assert_eq!(summary.products, plain.products);
        assert_eq!(summary.occurrences, plain.occurrences);
        assert_eq!(summary.header, plain.header);
        assert_eq!(summary.warnings, plain.warnings);
        assert_eq!(summary.bytes, variant.len() as u64);
    }
    assert_eq!(read(&variants[1]).lines, plain.lines);
    assert_eq!(read(&variants[2]).lines, plain.lines);
}

#[test]
fn tessellation_and_wireframe_alone_are_geometry() {
    for entity in [
        "TESSELLATED_SOLID('',(),$)",
        "COMPLEX_TRIANGULATED_FACE('',$,0,(),$,(),(),())",
        "GEOMETRIC_CURVE_SET('',())",
        "TRIMMED_CURVE('',$,(),(),.T.,.PARAMETER.)",
        "SHELL_BASED_SURFACE_MODEL('',())",
        "BLOCK('',$,1.,1.,1.)",
        "(GEOMETRIC_REPRESENTATION_ITEM() SURFACE() BOUNDED_SURFACE())",
    ] {
        let text = format!("ISO-10303-21;HEADER;ENDSEC;DATA;#1={entity};ENDSEC;END-ISO-10303-21;");
        assert!(!read(text).geometry.is_empty(), "{entity}");
    }
}

#[test]
fn undefined_references_are_reported() {
    let summary = read(wrap(
        "#2=A(#1,#7,'#8',/*#9*/#2);#3=B((#7,#6),#99999999999999999999999);",
    ));
    assert_eq!(
        summary.warnings[0],
        "Instances that are referenced but not defined: 3 (#6, #7, #18446744073709551615)."
    );
}

#[test]
fn an_unclosed_string_loses_only_its_record() {
    let summary = read(wrap(
        "\n#2=PRODUCT('a','left open,'',());\n#3=PRODUCT('b','b','',());\n#4=A('x,(\n #5 = A();",
    ));
    let names: Vec<_> = summary
        .products
        .iter()
        .map(|product| &product.name)
        .collect();
    assert_eq!(names, ["b"]);
    assert_eq!(summary.instances, 5);
    assert_eq!(
        summary.warnings[0],
        "Malformed records: 2; the first is in line 3."
    );
}

#[test]
fn documents_are_not_products() {
    let summary = read(wrap(
        "#2=PRODUCT('d','drawing','',());#3=PRODUCT_DEFINITION_FORMATION('','',#2);\
         #4=PRODUCT_DEFINITION('','',#3,#5);\
         #5=PRODUCT_DEFINITION_CONTEXT('digital document definition',$,'');\
         #6=PRODUCT('p','part','',());#7=DOCUMENT_FILE('drawing.pdf','','',$,'',$);",
    ));
    assert_eq!(summary.products.len(), 1);
    assert_eq!(summary.products[0].kind, ProductKind::Part);
    assert_eq!(summary.external_files, ["drawing.pdf"]);
}

#[test]
fn first_edition_scopes_are_skipped() {
    let summary = read(wrap(
        "#2=&SCOPE #3=PRODUCT('s','s','',()); ENDSCOPE /#3/ A(#3);#4=A();",
    ));
    assert_eq!(summary.products.len(), 1);
    assert_eq!(summary.instances, 4);
}

#[test]
fn an_oversized_record_is_truncated_and_reported() {
    let name = "x".repeat(5 << 20);
    let summary = read(wrap(&format!(
        "\n#2=PRODUCT('p','{name}','',());#3=PRODUCT('q','','',());"
    )));
    assert_eq!(summary.products.len(), 2);
    assert_eq!(summary.products[0].id, "p");
    assert_eq!(
        summary.warnings[0],
        "Malformed records: 1; the first is in line 3."
    );
}
