//! References to other files: all are found, and a copy without them refers to no other file.

use cadmill_domain::MissingGeometry;
use cadmill_step::{ExternalNames, StepError, StepSummary, inspect};

/// A part with a solid (product definition #13), and a part without a shape (#23).
const PARTS: &str = "#1=APPLICATION_CONTEXT('');#2=PRODUCT_DEFINITION_CONTEXT('part definition',#1,'design');
#11=PRODUCT('own','Own','',());#12=PRODUCT_DEFINITION_FORMATION('','',#11);
#13=PRODUCT_DEFINITION('','',#12,#2);#14=PRODUCT_DEFINITION_SHAPE('','',#13);
#15=SHAPE_REPRESENTATION('',(#30),$);#16=SHAPE_DEFINITION_REPRESENTATION(#14,#15);
#17=ADVANCED_BREP_SHAPE_REPRESENTATION('',(#31),$);#18=SHAPE_REPRESENTATION_RELATIONSHIP('','',#15,#17);
#21=PRODUCT('out','Outside','',());#22=PRODUCT_DEFINITION_FORMATION('','',#21);
#23=PRODUCT_DEFINITION('','',#22,#2);#24=PRODUCT_DEFINITION_SHAPE('','',#23);
#25=SHAPE_REPRESENTATION('',(#30),$);#26=SHAPE_DEFINITION_REPRESENTATION(#24,#25);
#30=AXIS2_PLACEMENT_3D('',$,$,$);#31=MANIFOLD_SOLID_BREP('',$);
";

fn wrap(head: &str, sections: &str, data: &str) -> String {
    format!(
        "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');{head}\n\
         FILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\nENDSEC;\n{sections}DATA;\n{PARTS}{data}ENDSEC;\n\
         END-ISO-10303-21;\n"
    )
}

fn read(text: &str) -> StepSummary {
    match inspect(text.as_bytes()) {
        Ok(summary) => summary,
        Err(error) => panic!("{error}"),
    }
}

fn copy_of(text: &str) -> String {
    let names = ExternalNames::find(text.as_bytes()).unwrap();
    let mut copy = Vec::new();
    names.copy_without(text.as_bytes(), &mut copy).unwrap();
    String::from_utf8(copy).unwrap()
}

fn missing(file: &str, products: &[&str]) -> MissingGeometry {
    MissingGeometry {
        file: file.to_owned(),
        products: products.iter().map(|&name| name.to_owned()).collect(),
    }
}

/// Checks which geometry of `text` is missing, and that its copy lacks the names in `named`.
#[track_caller]
fn check(text: &str, expected: &[MissingGeometry], named: &[&str]) {
    let summary = read(text);
    assert_eq!(summary.missing_geometry, expected);
    assert!(summary.names_other_files);
    let copy = copy_of(text);
    for name in named {
        assert!(text.contains(name), "{name} is not in the file");
        assert!(!copy.contains(name), "{name} is left in {copy}");
    }
    // Only contiguous ranges are removed, and the copy contains nothing more to remove.
    assert!(is_subsequence(&copy, text));
    assert!(ExternalNames::find(copy.as_bytes()).unwrap().is_empty());
    let reread = read(&copy);
    assert!(!reread.names_other_files);
    assert_eq!(reread.products, summary.products);
    assert_eq!(reread.geometry, summary.geometry);
}

fn is_subsequence(part: &str, whole: &str) -> bool {
    let mut rest = whole.bytes();
    part.bytes().all(|byte| rest.any(|other| other == byte))
}

/// A document file assigned to #23, as in AP214 and AP242.
fn assigned(file: &str) -> String {
    format!(
        "#40=DOCUMENT_FILE('{file}','',$,#41,'',$);#41=DOCUMENT_TYPE('geometry');\
         #42=APPLIED_DOCUMENT_REFERENCE(#40,'',(#23));\
         #43=EXTERNAL_SOURCE(IDENTIFIER('{file}'));\
         #44=APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT('{file}',#45,#43,(#40));\
         #45=IDENTIFICATION_ROLE('external document id and location',$);"
    )
}

#[test]
fn an_assigned_document_holds_the_shape_of_a_part_without_one() {
    for file in [
        "absent.step",
        "../outside.step",
        "/etc/passwd",
        "\\\\\\\\server\\\\share\\\\a.stp",
        "file:///etc/passwd",
        "https://example.org/a.step?x=1#y",
    ] {
        let text = wrap("", "", &assigned(file));
        let shown = file.replace("\\\\", "\\");
        check(&text, &[missing(&shown, &["Outside"])], &[file]);
        assert_eq!(read(&text).external_files, [shown.as_str()]);
        let warning = format!("Geometry is missing: it lies in `{shown}` (Outside).");
        assert!(read(&text).warnings.contains(&warning));
    }
}

#[test]
fn a_copy_differs_only_in_the_names() {
    let text = wrap("", "", &assigned("a.step"));
    let expected = text.replace("'a.step'", "''");
    assert_eq!(copy_of(&text), expected);
    let plain = wrap("", "", "#40=CARTESIAN_POINT('a.step',(0.,0.,0.));");
    assert!(!read(&plain).names_other_files);
    assert_eq!(copy_of(&plain), plain);
}

#[test]
fn a_part_with_its_own_shape_has_no_missing_geometry() {
    let data = assigned("native.prt").replace("(#23)", "(#13)");
    check(&wrap("", "", &data), &[], &["native.prt"]);
    // The relationship may point in either direction.
    let text = wrap("", "", &data).replace("#15,#17)", "#17,#15)");
    check(&text, &[], &["native.prt"]);
}

#[test]
fn a_representation_may_be_of_several_kinds() {
    let data = assigned("native.prt").replace("(#23)", "(#13)");
    let simple = "#17=ADVANCED_BREP_SHAPE_REPRESENTATION('',(#31),$)";
    let complex = "#17=(ADVANCED_BREP_SHAPE_REPRESENTATION()REPRESENTATION('',(#31),$)\
         SHAPE_REPRESENTATION()TESSELLATED_SHAPE_REPRESENTATION())";
    let text = wrap("", "", &data).replace(simple, complex);
    assert!(text.contains(complex));
    check(&text, &[], &["native.prt"]);
}

#[test]
fn curves_alone_are_not_the_shape_of_a_part() {
    let curves = "#50=GEOMETRIC_CURVE_SET('',(#51));#51=POLYLINE('',());";
    let text = wrap("", "", &(assigned("a.step") + curves)).replace(
        "#25=SHAPE_REPRESENTATION('',(#30)",
        "#25=SHAPE_REPRESENTATION('',(#30,#50)",
    );
    assert_eq!(read(&text).geometry.other, 2);
    check(&text, &[missing("a.step", &["Outside"])], &["a.step"]);
    let surfaces = text.replace("GEOMETRIC_CURVE_SET", "GEOMETRIC_SET");
    check(&surfaces, &[], &["a.step"]);
}

#[test]
fn an_assembly_has_no_missing_geometry() {
    let usage = "#50=NEXT_ASSEMBLY_USAGE_OCCURRENCE('1','','',#23,#13,$);";
    check(
        &wrap("", "", &(assigned("a.step") + usage)),
        &[],
        &["a.step"],
    );
}

#[test]
fn a_pdf_document_holds_no_geometry() {
    check(
        &wrap("", "", &assigned("Data sheet.PDF")),
        &[],
        &["Data sheet.PDF"],
    );
}

#[test]
fn unusual_spellings_are_found() {
    let written = "#40 /* DOCUMENT_FILE */ = document_file /**/ ( 'a' , 'it''s \\X2\\00E4\\X0\\.step', $ , #41 , '' , $ ) ;\
         #42=Applied_Document_Reference(#40,'',(#23));";
    let text = wrap("", "", written);
    check(
        &text,
        &[missing("a", &["Outside"])],
        &["it''s", "\\X2\\00E4", "( 'a'"],
    );
    let complex = "#40=(CHARACTERIZED_OBJECT('c','d') DOCUMENT('1','b.step','',#41)DOCUMENT_FILE( ));\
         #42=APPLIED_DOCUMENT_REFERENCE(#40,'',(#23));\
         #43=(EXTERNAL_SOURCE('urn:b')EXTERNALLY_DEFINED_ITEM('',$));\
         #44=(APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT((#40))EXTERNAL_IDENTIFICATION_ASSIGNMENT(#43)\
         IDENTIFICATION_ASSIGNMENT('there/b.step',$));";
    check(
        &wrap("", "", complex),
        &[missing("there/b.step", &["Outside"])],
        &["b.step", "urn:b", "there/"],
    );
    // Text in comments and strings is not a reference.
    let text = wrap(
        "",
        "",
        "/* #40=DOCUMENT_FILE('a.step','',$,$,'',$); */#41=A('#42=DOCUMENT_FILE(');",
    );
    assert!(!read(&text).names_other_files);
    assert_eq!(copy_of(&text), text);
}

#[test]
fn associated_documents_hold_the_shape_of_a_part_without_one() {
    let document = "#40=DOCUMENT('7','pump.prt','',#41);#41=DOCUMENT_TYPE('cad_filename');";
    let text = wrap("", "", document).replace(
        "#23=PRODUCT_DEFINITION('','',#22,#2)",
        "#23=PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS('','',#22,#2,(#40))",
    );
    check(
        &text,
        &[missing("pump.prt", &["Outside"])],
        &["pump.prt", "'7'"],
    );
    assert_eq!(read(&text).external_files, ["pump.prt"]);
}

#[test]
fn a_document_may_be_a_product_whose_definition_lists_its_files() {
    let data = "#40=DOCUMENT('','','',$);#42=APPLIED_DOCUMENT_REFERENCE(#40,'',(#23));\
         #43=DOCUMENT_PRODUCT_EQUIVALENCE('equivalence',$,#40,#45);\
         #44=PRODUCT('d','document','',());#45=PRODUCT_DEFINITION_FORMATION('','',#44);\
         #46=PRODUCT_DEFINITION_CONTEXT('digital document definition',#1,'');\
         #47=PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS('','',#45,#46,(#48));\
         #48=DOCUMENT_FILE('pump.stp','',$,$,'',$);";
    check(
        &wrap("", "", data),
        &[missing("pump.stp", &["Outside"])],
        &["pump.stp"],
    );
}

#[test]
fn an_external_definition_may_be_a_property_of_the_file() {
    let data = "#40=DOCUMENT_FILE('a.stp','',$,$,'',$);\
         #41=PROPERTY_DEFINITION('external definition','',#40);\
         #42=PROPERTY_DEFINITION_REPRESENTATION(#41,#25);";
    check(
        &wrap("", "", data),
        &[missing("a.stp", &["Outside"])],
        &["a.stp"],
    );
}

#[test]
fn externally_defined_items_are_missing() {
    let data = "#40=EXTERNALLY_DEFINED_REPRESENTATION_ITEM('bolt','id 7',#41);\
         #41=EXTERNAL_SOURCE(IDENTIFIER('bolts.step'));";
    let text = wrap("", "", data).replace(
        "#25=SHAPE_REPRESENTATION('',(#30)",
        "#25=SHAPE_REPRESENTATION('',(#40)",
    );
    check(
        &text,
        &[missing("bolts.step", &["Outside"])],
        &["bolts.step", "id 7"],
    );
}

#[test]
fn a_product_definition_may_be_external() {
    for (product, shown) in [("pump-7", "pump-7"), ("", "Pump")] {
        let data = format!(
            "#40=PRODUCT_DEFINITION_REFERENCE(#41,'{product}','1','design','');\
             #41=EXTERNAL_SOURCE(IDENTIFIER('pumps.step'));\
             #50=NEXT_ASSEMBLY_USAGE_OCCURRENCE('1','Pump','',#13,#40,$);"
        );
        let expected = [missing("pumps.step", &[shown])];
        check(&wrap("", "", &data), &expected, &["pumps.step"]);
    }
}

#[test]
fn the_anchor_and_reference_sections_are_removed() {
    let sections = "ANCHOR;\n<a>=#23;\n<b>=<http://example.org/x.step>;\nENDSEC;\n\
         REFERENCE;\n#90=<lib/pump.step#part>;\n#91 = <../other.step#unused> ;\nENDSEC;\n";
    let usage = "#50=NEXT_ASSEMBLY_USAGE_OCCURRENCE('1','Pump','',#13,#90,$);";
    let text = wrap("", sections, usage);
    check(
        &text,
        &[missing("lib/pump.step", &["Pump"])],
        &["ANCHOR", "REFERENCE;", "http", "../other.step", "#90=<"],
    );
    assert_eq!(copy_of(&text), wrap("", "\n\n", usage));
    assert_eq!(
        read(&text).external_files,
        ["lib/pump.step", "../other.step"]
    );
}

#[test]
fn populations_of_the_header_are_removed() {
    let head = "FILE_POPULATION('S','SECTION_BOUNDARY',(('other.step',$,$)));\n\
         SCHEMA_POPULATION((('https://example.org/other.step',$,$)));";
    let text = wrap(head, "", "");
    check(&text, &[], &["POPULATION", "example.org"]);
    assert_eq!(copy_of(&text), wrap("\n", "", ""));
}

#[test]
fn an_oversized_record_is_removed() {
    let long = "x".repeat(5 << 20);
    let text = wrap(
        "",
        "",
        &format!("#40=DOCUMENT_FILE('a.step','{long}',$,$,'',$);\n"),
    );
    let copy = copy_of(&text);
    assert!(!copy.contains("DOCUMENT_FILE") && !copy.contains("xx"));
    assert_eq!(copy, wrap("", "", "\n"));
}

#[test]
fn chunk_sizes_do_not_affect_the_result() {
    struct SmallReads<'a>(&'a [u8], usize);
    impl std::io::Read for SmallReads<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = self.1.min(self.0.len()).min(buffer.len());
            let (now, later) = self.0.split_at(length);
            buffer[..length].copy_from_slice(now);
            self.0 = later;
            Ok(length)
        }
    }
    let sections = "REFERENCE;\n#90=<a.step#b>;\nENDSEC;\n";
    let text = wrap("", sections, &assigned("it''s \\X2\\00E4\\X0\\.step"));
    let whole = ExternalNames::find(text.as_bytes()).unwrap();
    for step in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(
            ExternalNames::find(SmallReads(text.as_bytes(), step)).unwrap(),
            whole
        );
        let mut copy = Vec::new();
        whole
            .copy_without(SmallReads(text.as_bytes(), step), &mut copy)
            .unwrap();
        assert_eq!(copy, copy_of(&text).into_bytes());
    }
}

#[test]
fn a_file_without_geometry_of_its_own_is_refused() {
    let text = wrap("", "", &assigned("a.step")).replace("MANIFOLD_SOLID_BREP", "NO_SOLID");
    let error = inspect(text.as_bytes()).unwrap_err();
    let StepError::ExternalReference { files, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(files, ["a.step"]);
}

#[test]
fn a_thousand_products_of_a_thousand_files_are_listed_by_file() {
    use std::fmt::Write as _;
    let mut data = String::new();
    for i in 0..1000 {
        let (id, file) = (100 + 10 * i, i % 3);
        writeln!(
            data,
            "#{id}=PRODUCT('','P{i}','',());#{}=PRODUCT_DEFINITION_FORMATION('','',#{id});\
             #{}=PRODUCT_DEFINITION('','',#{},#2);#{}=DOCUMENT_FILE('{file}.stp','',$,$,'',$);\
             #{}=APPLIED_DOCUMENT_REFERENCE(#{},'',(#{}));",
            id + 1,
            id + 2,
            id + 1,
            id + 3,
            id + 4,
            id + 3,
            id + 2
        )
        .unwrap();
    }
    let found = read(&wrap("", "", &data)).missing_geometry;
    let counts: Vec<_> = found
        .iter()
        .map(|m| (m.file.as_str(), m.products.len()))
        .collect();
    assert_eq!(counts, [("0.stp", 334), ("1.stp", 333), ("2.stp", 333)]);
}
