//! What was found and measured when a medium was made.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{MaterialKey, MissingGeometry, tessellator::TessellationReport};

/// The report of a medium.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Value", try_from = "Value")]
pub struct MediaReport {
    /// The report of the program that made it.
    pub source: ReportSource,
    /// Whether it was made by force, although it was there.
    pub force: bool,
}

/// The report of the program that made a medium.
#[derive(Debug, Clone, PartialEq)]
pub enum ReportSource {
    /// The tessellator, which makes canonical scenes.
    Tessellator(Box<TessellationReport>),
    /// The converter, which derives media from a canonical scene.
    Converter(ConversionReport),
}

/// The report of a medium that derives from a canonical scene.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionReport {
    /// The program and its version.
    pub converter: String,
    /// Keys of the materials that match nothing in the scene.
    pub unmatched_materials: Vec<MaterialKey>,
}

/// The field of the JSON that only a tessellation has.
const KERNEL: &str = "kernel";
/// The field of the JSON that says that the medium was made by force.
const FORCED: &str = "forced";

impl MediaReport {
    /// The tessellation, if this is the report of a canonical scene.
    #[must_use]
    pub const fn tessellation(&self) -> Option<&TessellationReport> {
        match &self.source {
            ReportSource::Tessellator(report) => Some(report),
            ReportSource::Converter(_) => None,
        }
    }

    /// The program that made the medium, with its version: the kernel or the converter.
    #[must_use]
    pub fn converter(&self) -> &str {
        match &self.source {
            ReportSource::Tessellator(report) => &report.kernel,
            ReportSource::Converter(report) => &report.converter,
        }
    }

    /// Oddities that are not fatal, as whole sentences.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        match &self.source {
            ReportSource::Tessellator(report) => report.all_warnings(),
            ReportSource::Converter(report) => {
                let keys = report.unmatched_materials.iter();
                keys.map(|key| format!("No part is named `{key}`."))
                    .collect()
            }
        }
    }

    /// Geometry that lies in other files.
    #[must_use]
    pub fn missing_geometry(&self) -> &[MissingGeometry] {
        self.tessellation()
            .map_or(&[], |report| &report.missing_geometry)
    }
}

impl TessellationReport {
    /// Its warnings, and a sentence each for missing faces and for a coarser recipe.
    fn all_warnings(&self) -> Vec<String> {
        let partial = self
            .lacks_faces()
            .then(|| "Some faces have no mesh.".to_owned());
        let coarser = self.retried.as_ref().map(|retried| {
            let code = retried.first.code.as_str();
            format!("It is coarser than the recipe: making it by the recipe ended with `{code}`.")
        });
        let warnings = self.warnings.iter().cloned();
        warnings.chain(partial).chain(coarser).collect()
    }

    /// Whether it is partial because faces are missing. Geometry in other files has warnings of its
    /// own.
    fn lacks_faces(&self) -> bool {
        let is_explained = !self.missing_geometry.is_empty();
        let lacks = self.faces.unmeshed > 0 || self.unread_faces > 0;
        self.partial && (!is_explained || lacks)
    }
}

impl From<TessellationReport> for MediaReport {
    fn from(report: TessellationReport) -> Self {
        Self {
            source: ReportSource::Tessellator(Box::new(report)),
            force: false,
        }
    }
}

impl From<ConversionReport> for MediaReport {
    fn from(report: ConversionReport) -> Self {
        Self {
            source: ReportSource::Converter(report),
            force: false,
        }
    }
}

impl From<MediaReport> for Value {
    fn from(report: MediaReport) -> Self {
        let json = match report.source {
            ReportSource::Tessellator(report) => serde_json::to_value(report),
            ReportSource::Converter(report) => serde_json::to_value(report),
        };
        let mut json = json.expect("structs of plain values can be written");
        if let Self::Object(fields) = &mut json
            && report.force
        {
            fields.insert(FORCED.to_owned(), true.into());
        }
        json
    }
}

impl TryFrom<Value> for MediaReport {
    type Error = serde_json::Error;

    fn try_from(json: Value) -> Result<Self, Self::Error> {
        let force = json[FORCED] == true;
        let source = if json[KERNEL].is_null() {
            ReportSource::Converter(serde_json::from_value(json)?)
        } else {
            ReportSource::Tessellator(serde_json::from_value(json)?)
        };
        Ok(Self { source, force })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        Failure, FailureCode, Recipe,
        fakes::tessellation_report,
        tessellator::{FaceCount, Retried},
    };

    #[test]
    fn a_report_is_read_back_from_its_json() {
        let converted = ConversionReport {
            converter: "cadmill 1".to_owned(),
            unmatched_materials: vec![MaterialKey::new("bolt-*")],
        };
        for mut report in [tessellation_report().into(), MediaReport::from(converted)] {
            for force in [false, true] {
                report.force = force;
                let json = serde_json::to_value(&report).unwrap();
                assert_eq!(json.get(FORCED).is_some(), force);
                assert_eq!(serde_json::from_value::<MediaReport>(json).unwrap(), report);
            }
        }
    }

    #[test]
    fn a_report_with_a_renamed_field_is_an_error() {
        let mut json = serde_json::to_value(MediaReport::from(tessellation_report())).unwrap();
        let faces = json.as_object_mut().unwrap().remove("faces").unwrap();
        json["face_counts"] = faces;
        let error = serde_json::from_value::<MediaReport>(json).unwrap_err();
        assert!(error.to_string().contains("`faces`"), "{error}");
        assert!(serde_json::from_value::<MediaReport>(json!({})).is_err());
        assert!(serde_json::from_value::<MediaReport>(Value::Null).is_err());
    }

    #[test]
    fn warnings_are_whole_sentences() {
        let mut report = tessellation_report();
        report.kernel = "Open CASCADE 7.6.3".to_owned();
        report.warnings = vec!["Odd.".to_owned()];
        report.partial = true;
        report.retried = Some(Retried {
            first: Failure::new(FailureCode::KernelCrash, "It crashed."),
            recipe: Recipe::DRAFT,
            conditions: None,
        });
        let report = MediaReport::from(report);
        assert_eq!(report.converter(), "Open CASCADE 7.6.3");
        assert_eq!(
            report.warnings(),
            [
                "Odd.",
                "Some faces have no mesh.",
                "It is coarser than the recipe: making it by the recipe ended with `kernel_crash`."
            ]
        );
        let report = MediaReport::from(ConversionReport {
            converter: "cadmill 1".to_owned(),
            unmatched_materials: vec![MaterialKey::new("bolt-*")],
        });
        assert_eq!(report.converter(), "cadmill 1");
        assert_eq!(report.warnings(), ["No part is named `bolt-*`."]);
        assert_eq!(report.missing_geometry(), []);
    }

    #[test]
    fn missing_geometry_alone_is_no_missing_face() {
        let missing = MissingGeometry {
            file: "a.step".to_owned(),
            products: vec!["Pump".to_owned()],
        };
        let mut report = tessellation_report();
        report.faces = FaceCount::default();
        report.add_missing_geometry(std::slice::from_ref(&missing));
        let warnings = vec!["Geometry is missing: it lies in `a.step` (Pump).".to_owned()];
        let found = MediaReport::from(report.clone());
        assert_eq!(found.missing_geometry(), [missing]);
        assert_eq!(found.warnings(), warnings);
        report.unread_faces = 1;
        let found = MediaReport::from(report);
        assert_eq!(found.warnings()[1], "Some faces have no mesh.");
    }
}
