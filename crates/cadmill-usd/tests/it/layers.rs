//! Tests of layers written with `usdc::write`.

use std::collections::BTreeSet;

use cadmill_usd::{
    Attribute, Dictionary, Layer, ListOp, Path, Payload, Reference, Relationship, Specifier, Token,
    UsdError, Value, usdc,
};
use proptest::prelude::*;

use crate::reader::{CrateFile, IS_ARRAY, IS_COMPRESSED, IS_INLINED, payload, type_number};

#[test]
fn an_empty_layer_has_only_its_root() {
    let bytes = usdc::write(&Layer::new()).unwrap();
    let file = CrateFile::read(&bytes);
    assert_eq!(file.specs.keys().collect::<Vec<_>>(), ["/"]);
    assert!(file.specs["/"].fields.is_empty());
}

proptest! {
    #[test]
    fn every_tree_round_trips(parents in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize), 0..80)) {
        let mut layer = Layer::new();
        let mut prims = Vec::new();
        let mut expected = BTreeSet::from(["/".to_owned()]);
        for (number, (parent, properties)) in parents.iter().enumerate() {
            let parent = (number > 0 && parent.index(4) > 0).then(|| *parent.get(&prims));
            // Few distinct names, so that tokens are shared, but unique among siblings.
            let prim = layer.add_prim(parent, Specifier::Def, "Xform", format!("n{number}"));
            let path = layer.path(prim).unwrap();
            for property in 0..*properties {
                let name = format!("p{property}");
                expected.insert(path.property(&name).unwrap().as_str().to_owned());
                let attribute = Attribute::new(name, "int", Value::Int(number as i32));
                layer.prim_mut(prim).attribute(attribute);
            }
            expected.insert(path.as_str().to_owned());
            prims.push(prim);
        }
        let bytes = usdc::write(&layer).unwrap();
        let file = CrateFile::read(&bytes);
        prop_assert_eq!(file.specs.keys().cloned().collect::<BTreeSet<_>>(), expected);
        prop_assert_eq!(&bytes, &usdc::write(&layer.clone()).unwrap());
        for (path, spec) in &file.specs {
            let Some(children) = spec.fields.get("primChildren") else { continue };
            prop_assert_eq!(type_number(*children), 41, "a token vector");
            for child in file.texts(*children) {
                let child = format!("{}/{child}", path.trim_end_matches('/'));
                prop_assert_eq!(file.specs[&child].of, 6);
            }
        }
    }
}

#[test]
fn sublayers_always_come_with_offsets() {
    let mut layer = Layer::new();
    layer.sublayer("./a.usdc").sublayer("./b.usdc");
    let bytes = usdc::write(&layer).unwrap();
    let file = CrateFile::read(&bytes);
    let root = &file.specs["/"].fields;
    assert_eq!(type_number(root["subLayers"]), 50, "a string vector");
    assert_eq!(file.texts(root["subLayers"]), ["./a.usdc", "./b.usdc"]);
    let offsets = file.stored(root["subLayerOffsets"]);
    let identity = [0.0_f64.to_le_bytes(), 1.0_f64.to_le_bytes()].concat();
    let expected = [2_u64.to_le_bytes().to_vec(), identity.clone(), identity].concat();
    assert_eq!(&offsets[..40], expected);
}

/// Checks the representation of `value` and the bytes stored for it.
fn check(value: &Value, kind: u64, stored: &[u8]) {
    let mut layer = Layer::new();
    layer.set("value", value.clone());
    let bytes = usdc::write(&layer).unwrap();
    let file = CrateFile::read(&bytes);
    let representation = file.specs["/"].fields["value"];
    if kind & IS_INLINED != 0 {
        assert_eq!(representation, kind, "{value:?}");
    } else {
        assert_eq!(representation - payload(representation), kind, "{value:?}");
        assert_eq!(
            &file.stored(representation)[..stored.len()],
            stored,
            "{value:?}"
        );
    }
}

#[test]
fn small_values_are_inlined_and_others_stored() {
    let inlined = |of: u64, payload: u64| IS_INLINED | of << 48 | payload;
    check(&Value::Bool(true), inlined(1, 1), &[]);
    check(&Value::Int(-1), inlined(3, 0xFFFF_FFFF), &[]);
    check(&Value::Int64(-1), inlined(5, 0xFFFF_FFFF), &[]);
    check(
        &Value::Int64(1 << 40),
        5 << 48,
        &(1_i64 << 40).to_le_bytes(),
    );
    check(&Value::UInt64(7), inlined(6, 7), &[]);
    check(
        &Value::Float(0.1),
        inlined(8, u64::from(0.1_f32.to_bits())),
        &[],
    );
    check(
        &Value::Double(0.5),
        inlined(9, u64::from(0.5_f32.to_bits())),
        &[],
    );
    check(&Value::Double(0.1), 9 << 48, &0.1_f64.to_le_bytes());
    check(
        &Value::Vec3f([1.0, -2.0, 127.0]),
        inlined(24, 0x007F_FE01),
        &[],
    );
    check(
        &Value::Vec3f([0.0, -0.0, 0.0]),
        24 << 48,
        &[0, 0, 0, 0, 0, 0, 0, 0x80],
    );
    check(
        &Value::Vec3f([128.0, 0.0, 0.0]),
        24 << 48,
        &128_f32.to_le_bytes(),
    );
    check(&Value::Dictionary(Dictionary::new()), inlined(31, 0), &[]);
    check(&Value::Specifier(Specifier::Class), inlined(42, 2), &[]);
    check(&Value::ValueBlock, inlined(51, 0), &[]);
    let mut matrix = [[0.0; 4]; 4];
    (0..4).for_each(|i| matrix[i][i] = 1.0);
    check(&Value::Matrix4d(matrix), inlined(15, 0x0101_0101), &[]);
    matrix[3][0] = 2.0;
    check(&Value::Matrix4d(matrix), 15 << 48, &1_f64.to_le_bytes());
}

#[test]
fn list_edits_state_which_lists_are_present() {
    let words = |words: &[&'static str]| words.iter().map(|&w| Token::from(w)).collect::<Vec<_>>();
    let two = 2_u64.to_le_bytes();
    check(
        &Value::TokenListOp(ListOp::explicit(words(&["a", "b"]))),
        32 << 48,
        &[&[0b11], &two[..]].concat(),
    );
    check(&Value::TokenListOp(ListOp::explicit([])), 32 << 48, &[1]);
    check(
        &Value::TokenListOp(ListOp::prepend(words(&["a", "b"]))),
        32 << 48,
        &[&[1 << 5], &two[..]].concat(),
    );
}

#[test]
fn arrays_are_aligned_and_integers_compressed() {
    let mut layer = Layer::new();
    let indices: Vec<i32> = (0..1000).map(|i| i / 2 * 3 - i).collect();
    let points: Vec<_> = (0..50_u8)
        .map(|i| [f32::from(i) + 0.5, 0.0, -1.0])
        .collect();
    let wholes: Vec<_> = (0..20_u8).map(f32::from).collect();
    layer
        .set("aaa", Value::string("ä"))
        .set("few", Value::IntArray(indices[..15].to_vec()))
        .set("many", Value::IntArray(indices.clone()))
        .set("none", Value::IntArray(Vec::new()))
        .set("points", Value::Vec3fArray(points.clone()))
        .set("wholes", Value::FloatArray(wholes.clone()));
    let bytes = usdc::write(&layer).unwrap();
    let file = CrateFile::read(&bytes);
    let fields = &file.specs["/"].fields;
    assert_eq!(file.text(fields["aaa"]), "ä");
    assert_eq!(fields["none"], IS_ARRAY | 3 << 48);

    let integers = |field: &str| file.integers(fields[field]);
    assert_eq!(fields["few"] & IS_COMPRESSED, 0);
    assert!(
        integers("few")
            .into_iter()
            .eq(indices[..15].iter().map(|&i| i64::from(i)))
    );
    assert_ne!(fields["many"] & IS_COMPRESSED, 0);
    assert!(
        integers("many")
            .into_iter()
            .eq(indices.iter().map(|&i| i64::from(i)))
    );

    assert_eq!(payload(fields["points"]) % 8, 0);
    let numbers = points.iter().flatten().flat_map(|c| c.to_le_bytes());
    let expected: Vec<u8> = 50_u64.to_le_bytes().into_iter().chain(numbers).collect();
    assert_eq!(&file.stored(fields["points"])[..expected.len()], expected);

    assert_ne!(fields["wholes"] & IS_COMPRESSED, 0);
    assert_eq!(file.stored(fields["wholes"])[8], b'i');
}

#[test]
fn equal_values_are_stored_once() {
    let size = |count: usize| {
        let mut layer = Layer::new();
        for number in 0..count {
            let prim = layer.add_prim(None, Specifier::Def, "Xform", format!("p{number}"));
            let data = Dictionary::from([("text".to_owned(), Value::Double(0.1))]);
            layer.prim_mut(prim).custom_data(data);
        }
        let bytes = usdc::write(&layer).unwrap();
        CrateFile::read(&bytes).sections[0].1
    };
    assert!(size(100) - size(1) < 100 * 8, "only names are added");
}

#[test]
fn arcs_and_targets_may_refer_to_paths_without_specs() {
    let mut layer = Layer::new();
    let target = Path::parse("/Other/Prim").unwrap();
    let prim = layer.add_prim(None, Specifier::Over, "", "A");
    layer
        .prim_mut(prim)
        .references(ListOp::prepend([Reference::internal(target.clone())]))
        .payloads(ListOp::explicit([Payload {
            asset_path: "./b.usdc".to_owned(),
            ..Payload::default()
        }]))
        .inherits(ListOp::prepend([target.clone()]))
        .specializes(ListOp::default())
        .relationship(Relationship::new("rel", [target.property("x:y").unwrap()]));
    let bytes = usdc::write(&layer).unwrap();
    let file = CrateFile::read(&bytes);
    assert_eq!(file.specs.keys().collect::<Vec<_>>(), ["/", "/A", "/A.rel"]);
    let fields = &file.specs["/A"].fields;
    assert_eq!(type_number(fields["payload"]), 55);
    assert_eq!(type_number(fields["references"]), 35);
    assert!(!fields.contains_key("typeName"));
}

#[track_caller]
fn check_error(layer: &Layer, expected: UsdError) {
    assert_eq!(usdc::write(layer), Err(expected));
}

#[test]
fn names_that_usd_cannot_read_are_refused() {
    let named = |name: &'static str| {
        let mut layer = Layer::new();
        layer.add_prim(None, Specifier::Def, "", name);
        layer
    };
    for name in ["", "2", "a b", "a.b", "a/b", "ä"] {
        check_error(&named(name), UsdError::Name(name.to_owned()));
    }

    let mut layer = named("A");
    layer.add_prim(None, Specifier::Over, "", "A");
    check_error(&layer, UsdError::Duplicate("/A".to_owned()));

    let mut layer = Layer::new();
    let prim = layer.add_prim(None, Specifier::Def, "", "A");
    for _ in 0..2 {
        layer
            .prim_mut(prim)
            .attribute(Attribute::declared("b:c", "int"));
    }
    check_error(&layer, UsdError::Duplicate("/A.b:c".to_owned()));
    layer.prim_mut(prim).properties.truncate(1);
    layer
        .prim_mut(prim)
        .attribute(Attribute::declared("b c", "int"));
    check_error(&layer, UsdError::Name("b c".to_owned()));

    let mut layer = named("A");
    layer.set("documentation", Value::string("a\0b"));
    check_error(&layer, UsdError::Nul);
}

#[test]
fn a_tree_may_be_deep() {
    let mut layer = Layer::new();
    let mut parent = None;
    for _ in 0..20_000 {
        parent = Some(layer.add_prim(parent, Specifier::Def, "Xform", "n"));
    }
    assert!(usdc::write(&layer).unwrap().len() < 10_000);
}
