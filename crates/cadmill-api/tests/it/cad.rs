//! Files: one, many, changed, deleted.

use axum::{body::Body, http::Method};
use cadmill_domain::{Blob, CadFiles as _, MediaKind, access_token::Role};
use cadmill_scene::{Overlay, PartKey, glb, sample::gearbox_like};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Harness, with};

/// The bytes of a canonical scene.
pub(crate) fn scene() -> Vec<u8> {
    let scene = gearbox_like();
    glb::write(&scene, &Overlay::none(&scene)).unwrap()
}

#[tokio::test]
async fn a_file_is_shown_and_its_etag_tells_every_change() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    let file = harness.file("cube.step", b"ISO-10303-21;").await;
    let path = format!("/api/cad/{}", file.id);
    let first = harness.get(&secret, &path).await;
    first.is_ok();
    let body = first.json();
    assert_eq!(body["name"], "cube.step");
    assert_eq!(body["media"][0]["state"], "missing");
    assert_eq!(body["orphaned_overrides"], Value::Null);
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with(&format!("\"{}-", file.revision())), "{tag}");

    let again = async |tag: &str| {
        let request = with(&secret, Method::GET, &path).header("if-none-match", tag);
        harness.send(request.body(Body::empty()).unwrap()).await
    };
    let unchanged = again(&tag).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
    assert_eq!(unchanged.header("etag"), tag);
    harness.scene(file.id, &scene()).await;
    let changed = again(&tag).await;
    changed.is_ok();
    assert_ne!(changed.header("etag"), tag);
    let kind = MediaKind::GltfGeometry.as_str();
    assert_eq!(changed.json()["media"][0]["kind"], kind);
    assert_eq!(changed.json()["media"][0]["state"], "ready");
    assert_eq!(changed.json()["orphaned_overrides"], json!([]));
}

#[tokio::test]
async fn files_are_listed_page_by_page() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Viewer).await;
    for name in ["c.step", "a.step", "b.step"] {
        harness.file(name, name.as_bytes()).await;
        harness.clock.advance(TimeDelta::seconds(1));
    }
    let list = async |query: &str| {
        let answer = harness.get(&secret, &format!("/api/cad?{query}")).await;
        answer.is_ok();
        let page = answer.json();
        let files = page["files"].as_array().unwrap().iter();
        let names: Vec<_> = files
            .map(|file| file["name"].as_str().unwrap().to_owned())
            .collect();
        (names.join(" "), page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await.0, "c.step a.step b.step");
    assert_eq!(
        list("sort=name&direction=descending").await.0,
        "c.step b.step a.step"
    );
    assert_eq!(list("name_contains=B.").await.0, "b.step");
    assert_eq!(list("gltf_geometry=ready").await.0, "");
    assert_eq!(
        list("usd_master=missing&created_until=2026-01-01T12:00:01Z")
            .await
            .0,
        "c.step"
    );
    let (names, next) = list("sort=name&limit=2").await;
    assert_eq!(names, "a.step b.step");
    let next = next.unwrap();
    let (names, end) = list(&format!("sort=name&limit=2&cursor={next}")).await;
    assert_eq!((&*names, end), ("c.step", None));
    let refuse = async |query: String, status: u16, code: &str| {
        let answer = harness.get(&secret, &format!("/api/cad?{query}")).await;
        answer.is_problem(status, code);
    };
    refuse(format!("cursor={next}"), 409, "cursor_mismatch").await;
    refuse("cursor=1abc".to_owned(), 409, "cursor_mismatch").await;
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=1&limit=2",
        "sort=size",
        "thumbnail=done",
        "created_from=yesterday",
        "name_contains=%00",
        "page=2",
        "created_from=%2B12026-01-01T00:00:00Z",
    ] {
        refuse(query.to_owned(), 400, "bad_query").await;
    }
}

#[tokio::test]
async fn a_deleted_file_is_gone() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Admin).await;
    let file = harness.file("cube.step", b"ISO-10303-21;").await;
    let path = format!("/api/cad/{}", file.id);
    let delete = || {
        with(&secret, Method::DELETE, &path)
            .body(Body::empty())
            .unwrap()
    };
    assert_eq!(harness.send(delete()).await.status, 204);
    harness.send(delete()).await.is_problem(404, "not_found");
    harness
        .get(&secret, &path)
        .await
        .is_problem(404, "not_found");
    assert_eq!(harness.store.get(file.id).await.unwrap(), None);
}

#[tokio::test]
async fn parts_tell_which_material_they_have_and_why() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("gearbox.step", b"ISO-10303-21;").await;
    let path = format!("/api/cad/{}/parts", file.id);
    harness
        .get(&secret, &path)
        .await
        .is_problem(409, "no_scene");
    harness.scene(file.id, &scene()).await;
    let sample = gearbox_like();
    let key = sample.parts[0].key.as_str();
    let red = json!({(key): {"color": "#ff0000", "metallic": 1}, "nobody": {"color": "#00ff00"}});
    let maps = format!("/api/cad/{}/part-materials", file.id);
    harness
        .json(&secret, Method::PUT, &maps, &red)
        .await
        .is_ok();
    let answer = harness.get(&secret, &path).await;
    answer.is_ok();
    let answer = answer.json();
    let parts = answer["parts"].as_array().unwrap();
    assert_eq!(parts.len(), sample.parts.len());
    assert_eq!(parts[0]["key"], key);
    assert_eq!(
        parts[0]["source"],
        json!({"from": "part_material", "key": key})
    );
    assert_eq!(parts[0]["materials"][0]["color"], "#ff0000");
    assert_eq!(parts[1]["source"]["from"], "step_color");
    let shown: usize = parts
        .iter()
        .map(|part| part["occurrences"].as_array().unwrap().len())
        .sum();
    assert_eq!(
        shown,
        sample
            .occurrences
            .iter()
            .filter(|o| o.part.is_some())
            .count()
    );
    assert_eq!(answer["orphaned_overrides"], json!(["nobody"]));
    let detail = harness
        .get(&secret, &format!("/api/cad/{}", file.id))
        .await
        .json();
    assert_eq!(detail["orphaned_overrides"], json!(["nobody"]));
    assert_eq!(detail["part_materials"]["nobody"]["color"], "#00ff00");
    let kept = detail["part_materials"].clone();

    // The next revision has the first part no more.
    let source = format!("/api/cad/{}/source", file.id);
    let put = with(&secret, Method::PUT, &source).header("content-type", "model/step");
    let put = put.body(Body::from("ISO-10303-21;;")).unwrap();
    harness.send(put).await.is_ok();
    let mut revised = gearbox_like();
    revised.parts[0].key = PartKey::new("another");
    let revised = glb::write(&revised, &Overlay::none(&revised)).unwrap();
    harness.scene(file.id, &revised).await;
    let detail = harness.get(&secret, &format!("/api/cad/{}", file.id)).await;
    let detail = detail.json();
    let mut orphaned = [key, "nobody"];
    orphaned.sort_unstable();
    assert_eq!(detail["orphaned_overrides"], json!(orphaned));
    assert_eq!(detail["part_materials"], kept, "they are kept");
}

#[tokio::test]
async fn a_scene_whose_head_or_json_is_damaged_is_made_again() {
    let bytes = scene();
    // Of the magic, of the length of the JSON chunk, and within it.
    for place in [0, glb::HEAD_BYTES - 8, glb::HEAD_BYTES + 1] {
        let harness = Harness::new();
        let secret = harness.secret(Role::Viewer).await;
        let file = harness.file("gearbox.step", b"ISO-10303-21;").await;
        let asset = harness.scene(file.id, &bytes).await;
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        harness.blobs.damage(&Blob::of(&bytes), Some(damaged));
        let path = format!("/api/cad/{}/parts", file.id);
        let answer = harness.get(&secret, &path).await;
        answer.is_problem(503, "bytes_lost");
        let gone = harness.get(&secret, &format!("/api/media/{asset}")).await;
        gone.is_problem(404, "not_found");
    }
}
