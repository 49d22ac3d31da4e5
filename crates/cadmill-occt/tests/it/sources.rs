//! What the tessellator is tried on.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A file whose figures another program has measured.
pub(crate) struct Expected {
    pub(crate) path: PathBuf,
    pub(crate) parts: usize,
    pub(crate) occurrences: usize,
    pub(crate) volume_mm3: f64,
    pub(crate) area_mm2: f64,
    pub(crate) names: Vec<String>,
    /// It holds surfaces that enclose nothing, whose volume is a matter of definition.
    pub(crate) open_shells: bool,
}

#[derive(Deserialize)]
struct Figures {
    parts: usize,
    occurrences: usize,
    volume_mm3: f64,
    area_mm2: f64,
    names: Vec<String>,
}

/// Our own samples, and the files beside the project where they are.
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
    let json = fs::read_to_string(folder.join("expected.json")).expect("figures of the samples");
    let figures: BTreeMap<String, Figures> = serde_json::from_str(&json).expect("figures are JSON");
    figures
        .into_iter()
        .map(|(name, figures)| {
            let path = folder.join(name);
            let text = String::from_utf8_lossy(&fs::read(&path).expect("the sample is there"))
                .into_owned();
            Expected {
                path,
                parts: figures.parts,
                occurrences: figures.occurrences,
                volume_mm3: figures.volume_mm3,
                area_mm2: figures.area_mm2,
                names: figures.names,
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

const HEADER: &str = "ISO-10303-21;\nHEADER;\nFILE_DESCRIPTION((''),'2;1');\n\
    FILE_NAME('','',(''),(''),'','','');\nFILE_SCHEMA(('AUTOMOTIVE_DESIGN'));\nENDSEC;\nDATA;\n";
const FOOTER: &str = "ENDSEC;\nEND-ISO-10303-21;\n";

pub(crate) fn no_step() -> String {
    "This is a letter, not a model.\n".repeat(20)
}

/// A product whose shape has lost its solid.
pub(crate) fn no_solid() -> String {
    let text = fs::read_to_string(sample("inch-cube.step")).expect("the sample is there");
    without("MANIFOLD_SOLID_BREP", &text)
}

/// The first instance of this entity loses its record.
pub(crate) fn without(entity: &str, text: &str) -> String {
    let keyword = text.find(entity).expect("such an instance");
    let start = text[..keyword].rfind('#').expect("its name");
    let end = start + text[start..].find(';').expect("its end") + 1;
    format!("{}{}", &text[..start], &text[end..])
}

/// An assembly of one product in one product in one product.
pub(crate) fn deep_assembly(depth: usize) -> String {
    let mut text = HEADER.to_owned();
    text.push_str(
        "#1=APPLICATION_CONTEXT('automotive design');\n\
         #2=PRODUCT_CONTEXT('',#1,'mechanical');\n\
         #3=PRODUCT_DEFINITION_CONTEXT('part definition',#1,'design');\n",
    );
    let product = |level: usize| 10 + 10 * level;
    for level in 0..depth {
        let p = product(level);
        let (formation, definition, usage) = (p + 1, p + 2, p + 3);
        _ = writeln!(
            text,
            "#{p}=PRODUCT('p{level}','p{level}','',(#2));\n\
             #{formation}=PRODUCT_DEFINITION_FORMATION('','',#{p});\n\
             #{definition}=PRODUCT_DEFINITION('','',#{formation},#3);"
        );
        if level > 0 {
            let above = product(level - 1) + 2;
            _ = writeln!(
                text,
                "#{usage}=NEXT_ASSEMBLY_USAGE_OCCURRENCE('u{level}','','',#{above},#{definition},$);"
            );
        }
    }
    text.push_str(FOOTER);
    text
}
