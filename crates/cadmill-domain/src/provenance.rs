//! Where a medium comes from: what its report tells, and why it was made.

use serde_json::Value;

use crate::{Input, KeptBlob, MediaAsset, MissingGeometry, NewMediaAsset};

/// Why a medium was made: what differs from the one before it of the same file and kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There was none before.
    First,
    /// The STEP file is another.
    Source,
    /// The recipe is another.
    Recipe,
    /// The materials are others.
    Materials,
    /// Media of this kind are written differently since.
    Revision,
    /// Nothing differs: somebody insisted.
    Forced,
}

impl MediaAsset {
    /// Why it was made, seen all media of its file.
    #[must_use]
    pub fn cause(&self, of_file: &[Self]) -> Cause {
        let earlier = of_file.iter().filter(|other| {
            other.kind == self.kind
                && other.cad_file_id == self.cad_file_id
                && other.fence < self.fence
        });
        match earlier.max_by_key(|other| other.fence) {
            _ if self.report[FORCED] == true => Cause::Forced,
            Some(before) => self.input.cause_after(&before.input),
            None => Cause::First,
        }
    }
}

impl Input {
    /// What differs from an earlier input of the same kind.
    fn cause_after(&self, earlier: &Self) -> Cause {
        // Source, recipe and revision of the scene; of what is made of it, materials and its revision.
        const PARTS: [Cause; 5] = [
            Cause::Source,
            Cause::Recipe,
            Cause::Revision,
            Cause::Materials,
            Cause::Revision,
        ];
        let (now, before) = (self.as_str().split(':'), earlier.as_str().split(':'));
        let mut parts = now.zip(before).zip(PARTS);
        let differing = parts.find(|((now, before), _)| now != before);
        differing.map_or(Cause::Forced, |(_, cause)| cause)
    }
}

impl NewMediaAsset {
    /// What was made for one file, for another that is the same. That somebody insisted was not
    /// for this one. The row of what was found stays locked until that of the copy is written, so
    /// that one of them refers to the blob at any time.
    #[must_use]
    pub fn copy_of(found: &MediaAsset) -> Self {
        let mut report = found.report.clone();
        if let Value::Object(report) = &mut report {
            report.remove(FORCED);
        }
        Self {
            blob: KeptBlob::of_locked_row(found.blob),
            report,
        }
    }
}

/// Where a report says that somebody insisted.
const FORCED: &str = "forced";

/// Notes in the report of a medium that it was made though it was there.
pub fn note_force(report: &mut Value) {
    if let Value::Object(report) = report {
        report.insert(FORCED.to_owned(), true.into());
    }
}

/// What made it, as its report says: kernel or converter, with its version.
#[must_use]
pub fn converter(report: &Value) -> Option<&str> {
    report["converter"].as_str().or(report["kernel"].as_str())
}

/// What was found odd when it was made, as its report says: a sentence each.
#[must_use]
pub fn warnings(report: &Value) -> Vec<String> {
    let texts = |name: &str| {
        let texts = report[name].as_array().into_iter().flatten();
        texts.filter_map(Value::as_str)
    };
    let warned = texts("warnings").map(str::to_owned);
    let unmatched = texts("unmatched_materials").map(|key| format!("No part is named `{key}`."));
    let first = report["retried"]["first"]["code"].as_str();
    let coarser = first.map(|code| {
        format!("It is coarser than the recipe: making it by the recipe ended with `{code}`.")
    });
    let partial = lacks_faces(report).then(|| "Some faces have no mesh.".to_owned());
    warned
        .chain(unmatched)
        .chain(partial)
        .chain(coarser)
        .collect()
}

/// The geometry that lies in other files, as its report lists it.
#[must_use]
pub fn missing_geometry(report: &Value) -> Vec<MissingGeometry> {
    // A report of before these were listed has none.
    serde_json::from_value(report["missing_geometry"].clone()).unwrap_or_default()
}

/// Whether it is partial for want of faces: geometry in other files has warnings of its own.
fn lacks_faces(report: &Value) -> bool {
    let counts = ["/faces/unmeshed", "/unread_faces"];
    let lacks = |count| report.pointer(count).and_then(Value::as_u64) > Some(0);
    let explained = !missing_geometry(report).is_empty();
    report["partial"] == true && (!explained || counts.into_iter().any(lacks))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{MediaKind, MediaPlan, Recipe, Subject, TaskKind};

    #[test]
    fn what_differs_is_told() {
        let usd = TaskKind::Make(MediaKind::UsdMaster);
        let standard = MediaPlan::new(Recipe::STANDARD, []);
        let fine = MediaPlan::new(Recipe::FINE, []);
        let subject = Subject {
            id: crate::CadFileId::generate(&crate::SystemClock),
            source: crate::ContentHash::of(b"A"),
            materials: crate::ContentHash::of(b"red"),
        };
        let before = standard.input(usd, &subject);
        let cause = |input: Input| input.cause_after(&before);
        let source = Subject {
            source: crate::ContentHash::of(b"B"),
            ..subject
        };
        let materials = Subject {
            materials: crate::ContentHash::of(b"blue"),
            ..subject
        };
        assert_eq!(cause(standard.input(usd, &source)), Cause::Source);
        assert_eq!(cause(fine.input(usd, &subject)), Cause::Recipe);
        assert_eq!(cause(standard.input(usd, &materials)), Cause::Materials);
        let newer = before.as_str().replace("usd1", "usd2");
        assert_eq!(cause(Input::from_text(newer)), Cause::Revision);
        assert_eq!(cause(before.clone()), Cause::Forced);
    }

    #[test]
    fn a_copy_was_not_insisted_on() {
        let mut report = json!({"kernel": "none"});
        let plain = report.clone();
        note_force(&mut report);
        let found = MediaAsset {
            id: crate::MediaAssetId::generate(&crate::SystemClock),
            cad_file_id: crate::CadFileId::generate(&crate::SystemClock),
            kind: MediaKind::GltfGeometry,
            input: Input::from_text("a:b:glb1"),
            blob: crate::Blob::of(b"glTF"),
            report,
            fence: crate::Fence(2),
            created_at: crate::Moment::default(),
        };
        assert_eq!(found.cause(&[]), Cause::Forced);
        let copy = NewMediaAsset::copy_of(&found);
        assert_eq!((copy.blob, copy.report), (found.blob.into(), plain));
    }

    #[test]
    fn reports_are_read() {
        let report = json!({
            "kernel": "Open CASCADE 7.6.3", "warnings": ["odd"], "partial": true,
            "unmatched_materials": ["bolt-*"], "retried": {"first": {"code": "kernel_crash"}},
        });
        assert_eq!(converter(&report), Some("Open CASCADE 7.6.3"));
        assert_eq!(
            warnings(&report),
            [
                "odd",
                "No part is named `bolt-*`.",
                "Some faces have no mesh.",
                "It is coarser than the recipe: making it by the recipe ended with `kernel_crash`."
            ]
        );
        assert_eq!(converter(&Value::Null), None);
        assert_eq!(warnings(&Value::Null), [""; 0]);
        assert_eq!(missing_geometry(&report), []);
    }

    #[test]
    fn missing_geometry_alone_is_no_want_of_faces() {
        let mut report = json!({
            "partial": true, "faces": {"total": 6, "unmeshed": 0}, "unread_faces": 0,
            "warnings": ["Geometry is missing."],
            "missing_geometry": [{"file": "a.step", "products": ["Pump"]}],
        });
        let expected = MissingGeometry {
            file: "a.step".to_owned(),
            products: vec!["Pump".to_owned()],
        };
        assert_eq!(missing_geometry(&report), [expected]);
        assert_eq!(warnings(&report), ["Geometry is missing."]);
        report["unread_faces"] = json!(1);
        assert_eq!(warnings(&report)[1], "Some faces have no mesh.");
    }
}
