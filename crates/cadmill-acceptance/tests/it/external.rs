//! STEP files that refer to other files: none is opened, and what is missing is named.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cadmill_domain::MissingGeometry;
use cadmill_scene::Scene;
use serde_json::{Value, json};

use crate::{
    milled::{fresh_folder, scene},
    program::Convert,
    service::{SAMPLES, Service},
};

/// Cases from public reports, on machines that have them.
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/traits");

/// The ways in which a file names another; `{}` is the name, #9003 the part whose shape lies there.
const WAYS: [(&str, &str); 6] = [
    (
        "applied-document",
        "#9010=DOCUMENT_FILE('{}','',$,#9011,'',$);#9011=DOCUMENT_TYPE('geometry');\
         #9012=APPLIED_DOCUMENT_REFERENCE(#9010,'',(#9003));\
         #9013=EXTERNAL_SOURCE(IDENTIFIER('{}'));\
         #9014=APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT('{}',#9015,#9013,(#9010));\
         #9015=IDENTIFICATION_ROLE('external document id and location',$);",
    ),
    (
        "lower-case",
        "#9010=document_file ( '{}' , '' , $ , #9011 , '' , $ ) ; #9011=document_type('');\
         #9012 = applied_document_reference /* who? */ ( #9010 , '' , ( #9003 ) ) ;",
    ),
    (
        "complex",
        "#9010=(CHARACTERIZED_OBJECT('','')DOCUMENT('','{}','',#9011)DOCUMENT_FILE());\
         #9011=DOCUMENT_TYPE('');#9012=APPLIED_DOCUMENT_REFERENCE(#9010,'',(#9003));",
    ),
    (
        "associated",
        "#9010=DOCUMENT('1','{}','',#9011);#9011=DOCUMENT_TYPE('cad_filename');",
    ),
    (
        "source-alone",
        "#9010=DOCUMENT_FILE('','',$,#9011,'',$);#9011=DOCUMENT_TYPE('');\
         #9012=APPLIED_DOCUMENT_REFERENCE(#9010,'',(#9003));\
         #9013=EXTERNAL_SOURCE(IDENTIFIER('{}'));\
         #9014=APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT('',#9015,#9013,(#9010));\
         #9015=IDENTIFICATION_ROLE('',$);",
    ),
    (
        "property",
        "#9010=DOCUMENT_FILE('{}','',$,#9011,'',$);#9011=DOCUMENT_TYPE('');\
         #9012=PROPERTY_DEFINITION('external definition','',#9010);\
         #9013=PROPERTY_DEFINITION_REPRESENTATION(#9012,#9005);",
    ),
];

/// The cube of the samples, and beside it a part whose shape lies in the file `name`.
pub(crate) fn part_in(name: &str, way: &str) -> String {
    let records = WAYS.iter().find(|(known, _)| *known == way).unwrap().1;
    let definition = if way == "associated" {
        "PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS('','',#9002,#9,(#9010))"
    } else {
        "PRODUCT_DEFINITION('','',#9002,#9)"
    };
    with_records(&format!(
        "#9001=PRODUCT('out','Outside','',(#8));#9002=PRODUCT_DEFINITION_FORMATION('','',#9001);\n\
         #9003={definition};#9004=PRODUCT_DEFINITION_SHAPE('','',#9003);\n\
         #9005=SHAPE_REPRESENTATION('',(#11),#165);#9006=SHAPE_DEFINITION_REPRESENTATION(#9004,#9005);\n\
         {}\n",
        records.replace("{}", name)
    ))
}

fn with_records(records: &str) -> String {
    let cube = fs::read_to_string(Path::new(SAMPLES).join("inch-cube.step")).unwrap();
    let (head, foot) = cube.rsplit_once("ENDSEC;").unwrap();
    format!("{head}{records}ENDSEC;{foot}")
}

/// Converts `text` in a folder, and gives the line about it and its GLB.
fn convert(folder: &Path, text: &str) -> (Value, PathBuf) {
    let file = folder.join("part.step");
    fs::write(&file, text).unwrap();
    let media = folder.join("media");
    let ended = Convert::of_kinds(&[&file], &media, "glb")
        .with(&["--json", "--force"])
        .run()
        .succeeded();
    let line: Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    (line, media.join("part.glb"))
}

/// The names of the parts that have triangles; a part whose shape is missing is there, and empty.
pub(crate) fn filled(scene: &Scene) -> Vec<&str> {
    let parts = scene
        .parts
        .iter()
        .filter(|part| !part.primitives.is_empty());
    parts.map(|part| part.name.as_str()).collect()
}

#[test]
fn no_other_file_is_opened_however_it_is_named() {
    let folder = fresh_folder("external");
    let outside = Path::new(SAMPLES).join("plate-instances.step");
    fs::copy(&outside, folder.join("outside.step")).unwrap();
    let inner = folder.join("inner");
    fs::create_dir(&inner).unwrap();
    fs::copy(&outside, inner.join("beside.step")).unwrap();
    nix::unistd::mkfifo(&inner.join("pipe.step"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let absolute = folder.join("outside.step").canonicalize().unwrap();
    let absolute = absolute.to_str().unwrap();
    let url = format!("file://{absolute}");
    let names = [
        "../outside.step",
        "beside.step",
        "pipe.step",
        absolute,
        &url,
        "//server/share/a.stp",
    ];
    for (way, _) in WAYS {
        for name in names {
            let (line, glb) = convert(&inner, &part_in(name, way));
            let missing = json!([{"file": name, "products": ["Outside"]}]);
            assert_eq!(line["missing_geometry"], missing, "{way} {name}");
            assert_eq!(line["partial"], true, "{way} {name}");
            let scene = scene(&glb);
            assert_eq!(filled(&scene), ["inch-cube"], "{way} {name}");
            // Nothing but the hash of the source differs, wherever the name leads.
            let absent = convert(&inner, &part_in("no such file.step", way)).1;
            let mut without = crate::milled::scene(&absent);
            without.provenance = scene.provenance.clone();
            assert_eq!(scene, without, "{way} {name}");
        }
    }
}

#[test]
fn a_reference_section_is_left_out_and_named() {
    let folder = fresh_folder("external-reference");
    let usage = "#9001=NEXT_ASSEMBLY_USAGE_OCCURRENCE('1','Pump','',#5,#9900,$);\n";
    let reference = "REFERENCE;\n#9900=<pump.step#part>;\nENDSEC;\nDATA;";
    let text = with_records(usage).replacen("DATA;", reference, 1);
    let (line, glb) = convert(&folder, &text);
    let missing = json!([{"file": "pump.step", "products": ["Pump"]}]);
    assert_eq!(line["missing_geometry"], missing);
    assert_eq!(filled(&scene(&glb)), ["inch-cube"]);
}

#[test]
fn a_file_that_only_refers_is_refused_by_its_own_code() {
    let folder = fresh_folder("external-only");
    let file = folder.join("head.step");
    let text = part_in("a.step", "applied-document");
    let shell = text.find("#15 = MANIFOLD_SOLID_BREP").unwrap();
    let context = text.find("#165 = ").unwrap();
    fs::write(&file, format!("{}{}", &text[..shell], &text[context..])).unwrap();
    // Curves alone are something that a kernel may mesh; it does not.
    let curves = folder.join("curves.step");
    let polyline = "#9020=POLYLINE('',(#12,#12));\nENDSEC;\nEND-ISO";
    let with_curves = fs::read_to_string(&file)
        .unwrap()
        .replace("ENDSEC;\nEND-ISO", polyline);
    fs::write(&curves, with_curves).unwrap();
    let ended = Convert::of_kinds(&[&file, &curves], &folder.join("media"), "glb")
        .with(&["--json"])
        .run();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for line in ended.stdout.lines().take(2) {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["failure"]["code"], "step_external_reference", "{line}");
        let detail = line["failure"]["detail"].as_str().unwrap();
        assert!(detail.contains("`a.step`"), "{detail}");
    }
}

#[test]
fn what_is_missing_is_printed_for_people_too() {
    let folder = fresh_folder("external-words");
    let file = folder.join("part.step");
    fs::write(&file, part_in("absent.step", "applied-document")).unwrap();
    let ended = Convert::of_kinds(&[&file], &folder.join("media"), "glb")
        .run()
        .succeeded();
    let note = "note: Geometry is missing: it lies in `absent.step` (Outside).";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
    assert!(
        !ended.stdout.contains("faces are missing"),
        "{}",
        ended.stdout
    );
}

#[test]
fn the_api_names_what_is_missing() {
    let service = Service::start("external-api", &[]);
    // What this file holds must not reach a user who may not read it.
    let data = service.folder.join("data");
    let secret = data.join("secret.step");
    fs::copy(Path::new(SAMPLES).join("plate-instances.step"), &secret).unwrap();
    let name = secret.to_str().unwrap().to_owned();
    let file = service.folder.join("part.step");
    fs::write(&file, part_in(&name, "applied-document")).unwrap();
    service.run(&["import", file.to_str().unwrap()]);
    service.settles();
    let files = service.json("/api/cad");
    let id = files["files"][0]["id"].as_str().unwrap();
    let shown = service.json(&format!("/api/cad/{id}"));
    let missing = json!([MissingGeometry {
        file: name,
        products: vec!["Outside".to_owned()]
    }]);
    assert_eq!(shown["step"]["missing_geometry"], missing, "{shown:#}");
    let media = shown["media"].as_array().unwrap();
    let scene = media
        .iter()
        .find(|medium| medium["kind"] == "gltf_geometry")
        .unwrap();
    let asset = scene["asset_id"].as_str().unwrap();
    let asset = service.json(&format!("/api/media/{asset}"));
    assert_eq!(asset["missing_geometry"], missing, "{asset:#}");
    assert_eq!(asset["report"]["partial"], true, "{asset:#}");
    let parts = service.get(&format!("/api/cad/{id}/parts"));
    assert!(!parts.contains("plate"), "{parts}");
    service.stop();
}

#[test]
fn the_reported_cases_are_partial() {
    let folder = Path::new(CASES).join("cases/external/inner");
    if !folder.is_dir() {
        return;
    }
    let work = fresh_folder("external-cases");
    for (name, file) in [
        ("x2c-mixed-external-absent.step", "absent.step"),
        ("x2d-external-traversal.step", "../outside.step"),
    ] {
        let media = work.join(name);
        let ended = Convert::of_kinds(&[folder.join(name)], &media, "glb")
            .with(&["--json"])
            .run()
            .succeeded();
        let line: Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(line["partial"], true, "{line}");
        assert_eq!(
            line["missing_geometry"],
            json!([{"file": file, "products": ["Child"]}])
        );
        assert_eq!(line["triangles"], 12);
    }
    let head = Path::new(CASES).join("sets/s1-c5-214/s1-c5-214.stp");
    let ended = Convert::of_kinds(&[head], &work.join("head"), "glb")
        .with(&["--json"])
        .run();
    let line: Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(line["failure"]["code"], "step_external_reference", "{line}");
}
