//! `cadmill-make-samples`: writes and measures the STEP files of `docs/samples`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cadmill_occt::kernel::{self, KernelError};
use clap::Parser;

use measurements::Expected;
use modelling::{Header, Model};

#[expect(unsafe_code, unreachable_pub, reason = "cxx writes the calls into C++")]
mod bridge;
mod gearbox;
mod measurements;
mod modelling;
mod part21;
mod small;

/// Writes the sample STEP files and `expected.json` into a folder.
#[derive(Debug, Parser)]
struct Options {
    /// Folder to write to.
    #[arg(required_unless_present = "measure")]
    folder: Option<PathBuf>,
    /// Print the measurements of these files instead.
    #[arg(long, num_args = 1.., conflicts_with = "folder")]
    measure: Vec<PathBuf>,
}

struct Sample {
    name: &'static str,
    description: &'static str,
    schema: &'static str,
    unit: &'static str,
    make: fn() -> Result<Model, KernelError>,
}

const SAMPLES: [Sample; 5] = [
    Sample {
        make: gearbox::model,
        ..sample("gearbox.step", "A gearbox of one stage", "AP242DIS")
    },
    Sample {
        make: small::inch_cube,
        unit: "INCH",
        ..sample("inch-cube.step", "A cube modelled in inches", "AP214IS")
    },
    Sample {
        make: small::face_colors,
        ..sample(
            "face-colors.step",
            "A die with a colour for each side",
            "AP214IS",
        )
    },
    Sample {
        make: small::plate_instances,
        ..sample("plate-instances.step", "Instances of instances", "AP214IS")
    },
    Sample {
        make: small::surfaces,
        ..sample("surfaces.step", "Open surfaces", "AP242DIS")
    },
];

const fn sample(name: &'static str, description: &'static str, schema: &'static str) -> Sample {
    Sample {
        name,
        description,
        schema,
        unit: "MM",
        make: Model::new,
    }
}

impl Sample {
    fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut model = (self.make)().context("cannot model it")?;
        model.write(file, &self.header())?;
        let written = fs::read_to_string(file)?;
        let finished = part21::finish(&written).context("the text is not as expected")?;
        fs::write(file, finished)?;
        Ok(())
    }

    fn header(&self) -> Header {
        Header {
            name: self.name.to_owned(),
            description: self.description.to_owned(),
            author: "The Cadmill contributors".to_owned(),
            organization: "Cadmill".to_owned(),
            originating_system: "cadmill-make-samples".to_owned(),
            // Constant, so that every run writes the same bytes.
            time_stamp: "2025-01-01T00:00:00".to_owned(),
            schema: self.schema.to_owned(),
            unit: self.unit.to_owned(),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    kernel::prepare(1, |_, _| ())?;
    let mut expected = BTreeMap::new();
    let mut files = options.measure;
    if let Some(folder) = &options.folder {
        fs::create_dir_all(folder)?;
        for sample in SAMPLES {
            let file = folder.join(sample.name);
            sample
                .write(&file)
                .with_context(|| format!("cannot make {}", file.display()))?;
            files.push(file);
        }
    }
    for file in files {
        let name = file
            .file_name()
            .context("a file has a name")?
            .to_string_lossy()
            .into_owned();
        let found =
            Expected::of(&file).with_context(|| format!("cannot measure {}", file.display()))?;
        expected.insert(name, found);
    }
    let json = measurements::to_json(&expected)?;
    match options.folder {
        Some(folder) => fs::write(folder.join("expected.json"), json)?,
        None => print!("{}", String::from_utf8(json)?),
    }
    Ok(())
}
