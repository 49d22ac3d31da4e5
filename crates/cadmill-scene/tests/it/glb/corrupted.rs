//! GLBs with random modifications.

use cadmill_domain::MaterialMaps;
use cadmill_scene::{glb, sample};
use proptest::prelude::*;

use super::{canonical, chunk, json, with_json};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn corrupted_bytes_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut glb = canonical(&sample::gearbox_like());
        let json = 20 + chunk(&glb, b"JSON").len();
        for (position, value) in edits {
            // Most of the file is vertex data, where modifications have little effect.
            let position = position.index(json + 500);
            glb[position] = value;
        }
        if let Some(cut) = cut {
            let length = cut.index(glb.len());
            glb.truncate(length);
        }
        if let Ok(scene) = glb::read(&glb) {
            prop_assert!(scene.check().is_ok());
        }
        let _ = glb::overlay(&glb, &MaterialMaps::default());
    }

    #[test]
    fn replaced_numbers_in_the_document_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), number()), 1..4),
    ) {
        let glb = canonical(&sample::gearbox_like());
        let mut document = json(&glb);
        let count = visit_numbers(&mut document, &mut |_, _| {});
        for (position, value) in edits {
            let target = position.index(count);
            visit_numbers(&mut document, &mut |index, number| {
                if index == target {
                    *number = value.clone();
                }
            });
        }
        let edited = with_json(&glb, &document);
        if let Ok(scene) = glb::read(&edited) {
            prop_assert!(scene.check().is_ok());
            glb::overlay(&edited, &MaterialMaps::default()).unwrap();
        }
    }
}

fn number() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        (0..40_u64).prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>()
            .prop_filter("JSON has only finite numbers", |x| x.is_finite())
            .prop_map(Into::into),
    ]
}

/// Calls `visit` with the index and value of every number in `value`. Returns the number of calls.
fn visit_numbers(
    value: &mut serde_json::Value,
    visit: &mut dyn FnMut(usize, &mut serde_json::Value),
) -> usize {
    fn walk(
        value: &mut serde_json::Value,
        count: &mut usize,
        visit: &mut dyn FnMut(usize, &mut serde_json::Value),
    ) {
        match value {
            serde_json::Value::Number(_) => {
                visit(*count, value);
                *count += 1;
            }
            serde_json::Value::Array(items) => {
                for item in items {
                    walk(item, count, visit);
                }
            }
            serde_json::Value::Object(fields) => {
                for field in fields.values_mut() {
                    walk(field, count, visit);
                }
            }
            _ => {}
        }
    }
    let mut count = 0;
    walk(value, &mut count, visit);
    count
}
