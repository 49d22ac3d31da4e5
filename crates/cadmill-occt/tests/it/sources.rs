//! The inputs of the tests.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A file measured by another program.
pub(crate) struct Expected {
    pub(crate) path: PathBuf,
    pub(crate) parts: usize,
    pub(crate) occurrences: usize,
    pub(crate) volume_mm3: f64,
    pub(crate) area_mm2: f64,
    pub(crate) names: Vec<String>,
    /// Whether it contains open surfaces, whose volume depends on the definition.
    pub(crate) open_shells: bool,
}

#[derive(Deserialize)]
struct Measurements {
    parts: usize,
    occurrences: usize,
    volume_mm3: f64,
    area_mm2: f64,
    names: Vec<String>,
}

/// Our samples, and further files next to the project if present.
pub(crate) fn expected() -> Vec<Expected> {
    let own = workspace().join("docs/samples");
    let more = workspace().join("../shared/step");
    let mut all = in_folder(&own);
    assert!(!all.is_empty(), "no samples in {}", own.display());
    if more.join("expected.json").is_file() {
        all.extend(in_folder(&more));
    }
    all
}

fn in_folder(folder: &Path) -> Vec<Expected> {
    let json =
        fs::read_to_string(folder.join("expected.json")).expect("measurements of the samples");
    let measurements: BTreeMap<String, Measurements> =
        serde_json::from_str(&json).expect("measurements are JSON");
    measurements
        .into_iter()
        .map(|(name, measurements)| {
            let path = folder.join(name);
            let text = String::from_utf8_lossy(&fs::read(&path).expect("the sample is there"))
                .into_owned();
            Expected {
                path,
                parts: measurements.parts,
                occurrences: measurements.occurrences,
                volume_mm3: measurements.volume_mm3,
                area_mm2: measurements.area_mm2,
                names: measurements.names,
                open_shells: text.contains("OPEN_SHELL"),
            }
        })
        .collect()
}

pub(crate) fn sample(name: &str) -> PathBuf {
    workspace().join("docs/samples").join(name)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn no_step() -> String {
    "This is a letter, not a model.\n".repeat(20)
}

/// A product whose shape has no solid.
pub(crate) fn no_solid() -> String {
    let text = fs::read_to_string(sample("inch-cube.step")).expect("the sample is there");
    without("MANIFOLD_SOLID_BREP", &text)
}

/// Removes the record of the first instance of an entity.
pub(crate) fn without(entity: &str, text: &str) -> String {
    let keyword = text.find(entity).expect("such an instance");
    let start = text[..keyword].rfind('#').expect("its name");
    let end = start + text[start..].find(';').expect("its end") + 1;
    format!("{}{}", &text[..start], &text[end..])
}

/// A plate, a pin, and a third product whose two solids have the same shells as these. No two
/// threads may mesh them at the same time, and the third product requires another deflection.
pub(crate) fn shared_solids() -> String {
    let text = fs::read_to_string(sample("plate-instances.step")).expect("the sample is there");
    let shells: Vec<&str> = text
        .match_indices(" = CLOSED_SHELL")
        .map(|(keyword, _)| &text[text[..keyword].rfind('#').expect("its name")..keyword])
        .collect();
    let [plate, pin] = shells[..] else {
        panic!("not two shells: {shells:?}");
    };
    let records = format!(
        "#9001=PRODUCT('both','both','',(#8));\n\
         #9002=PRODUCT_DEFINITION_FORMATION('','',#9001);\n\
         #9003=PRODUCT_DEFINITION('','',#9002,#9);\n\
         #9004=PRODUCT_DEFINITION_SHAPE('','',#9003);\n\
         #9005=ADVANCED_BREP_SHAPE_REPRESENTATION('',(#11,#9007,#9008),#23);\n\
         #9006=SHAPE_DEFINITION_REPRESENTATION(#9004,#9005);\n\
         #9007=MANIFOLD_SOLID_BREP('',{plate});\n\
         #9008=MANIFOLD_SOLID_BREP('',{pin});\n"
    );
    let (head, foot) = text.rsplit_once("ENDSEC;").expect("its end");
    format!("{head}{records}ENDSEC;{foot}")
}

/// Surfaces, one of which has a direction instead of a pole; the kernel does not check this.
pub(crate) fn pole_that_is_no_point() -> String {
    let text = fs::read_to_string(sample("surfaces.step")).expect("the sample is there");
    let poles = text.find("B_SPLINE_SURFACE").expect("such a surface");
    let poles = poles + text[poles..].find("((#").expect("its poles") + 2;
    let direction = text.find("= DIRECTION").expect("a direction");
    let direction = &text[text[..direction].rfind('#').expect("its name")..direction];
    let end = poles + text[poles..].find(',').expect("another pole");
    format!("{}{}{}", &text[..poles], direction.trim_end(), &text[end..])
}

/// A part that consists of two solids, with a material.
pub(crate) fn two_solids_of_one_material() -> String {
    let text = shared_solids();
    let (head, foot) = text.rsplit_once("ENDSEC;").expect("its end");
    format!(
        "{head}#9010=DESCRIPTIVE_REPRESENTATION_ITEM('Bronze','Bronze');\n\
         #9011=REPRESENTATION('material name',(#9010),#23);\n\
         #9012=PROPERTY_DEFINITION('material property','material name',#9003);\n\
         #9013=PROPERTY_DEFINITION_REPRESENTATION(#9012,#9011);\n\
         #9014=PRESENTATION_LAYER_ASSIGNMENT('faces','',({}));\nENDSEC;{foot}",
        first_face(&text)
    )
}

fn first_face(text: &str) -> &str {
    let keyword = text.find(" = ADVANCED_FACE").expect("a face");
    &text[text[..keyword].rfind('#').expect("its name")..keyword]
}

/// The sample `plate-instances.step` with names in Latin-1 and one in UTF-8.
pub(crate) fn latin1_names() -> Vec<u8> {
    let text = fs::read_to_string(sample("plate-instances.step")).expect("the sample is there");
    let text = text
        .replace("PRODUCT('plate','plate'", "PRODUCT('\u{1}','\u{1}'")
        .replace("PRODUCT('pin','pin'", "PRODUCT('零件','零件'");
    let mut bytes = Vec::new();
    for part in text.split_inclusive('\u{1}') {
        bytes.extend_from_slice(part.trim_end_matches('\u{1}').as_bytes());
        if part.ends_with('\u{1}') {
            bytes.extend_from_slice(b"Geh\xE4use");
        }
    }
    bytes
}

/// The sample cube, and a part without a shape whose geometry is in `file`, referenced in the style
/// of AP214 or, if `listed`, of AP203.
pub(crate) fn with_shape_in(file: &str, listed: bool) -> String {
    let text = fs::read_to_string(sample("inch-cube.step")).expect("the sample is there");
    let definition = if listed {
        "#9003=PRODUCT_DEFINITION_WITH_ASSOCIATED_DOCUMENTS('','',#9002,#9,(#9010))"
    } else {
        "#9003=PRODUCT_DEFINITION('','',#9002,#9)"
    };
    let records = format!(
        "#9001=PRODUCT('out','Outside','',(#8));\n\
         #9002=PRODUCT_DEFINITION_FORMATION('','',#9001);\n{definition};\n\
         #9004=PRODUCT_DEFINITION_SHAPE('','',#9003);\n\
         #9005=SHAPE_REPRESENTATION('',(#11),#165);\n\
         #9006=SHAPE_DEFINITION_REPRESENTATION(#9004,#9005);\n\
         #9010=DOCUMENT_FILE('{file}','{file}',$,#9011,'',$);\n\
         #9011=DOCUMENT_TYPE('geometry');\n\
         #9012=EXTERNAL_SOURCE(IDENTIFIER('{file}'));\n\
         #9013=IDENTIFICATION_ROLE('external document id and location',$);\n\
         #9014=APPLIED_EXTERNAL_IDENTIFICATION_ASSIGNMENT('{file}',#9013,#9012,(#9010));\n\
         {}",
        if listed {
            ""
        } else {
            "#9015=APPLIED_DOCUMENT_REFERENCE(#9010,'',(#9003));\n"
        }
    );
    let (head, foot) = text.rsplit_once("ENDSEC;").expect("its end");
    format!("{head}{records}ENDSEC;{foot}")
}
