//! Uploads whose names of other files lead to what lies on the worker's disk.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cadmill_scene::glb;
use nix::sys::stat::Mode;
use serde_json::json;

use super::{api::Api, check::settle_and_check, site::Site};
use crate::{
    external::{filled, part_in},
    inputs::input,
};

#[test]
fn an_upload_sees_neither_other_uploads_nor_pipes() {
    let site = Site::new("outside");
    let api = Api::start(&site, &[]);
    let secret = fs::read_to_string(&input("plate-instances").path).unwrap();
    upload(&api, "secret.step", &secret);
    let secret = blob(&site.data(), &secret);
    let pipe = site.data().join("pipe.step");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let from_scratch = |path: &Path| {
        let path = path.strip_prefix(site.data()).unwrap();
        PathBuf::from("../../..").join(path)
    };
    let names = [
        secret.clone(),
        from_scratch(&secret),
        pipe.clone(),
        from_scratch(&pipe),
    ];
    let uploads = names.map(|name| {
        let name = name.to_str().unwrap().to_owned();
        let id = upload(&api, "part.step", &part_in(&name, "applied-document"));
        (name, id)
    });
    let workers = vec![site.worker(&[("CADMILL_REQUIRE_SANDBOX", "true")])];
    settle_and_check(&site, workers);
    for (name, id) in uploads {
        let path = format!("/api/cad/{id}/media/gltf_geometry/content");
        let scene = glb::read(&api.bytes(&path).1).unwrap();
        assert_eq!(filled(&scene), ["inch-cube"], "{name}");
        let missing = json!([{"file": name, "products": ["Outside"]}]);
        let shown = api.get(&format!("/api/cad/{id}")).body;
        assert_eq!(shown["step"]["missing_geometry"], missing);
    }
    assert_eq!(site.kernel.runs().len(), 5);
    api.stop();
}

/// Uploads a file, and gives its id.
fn upload(api: &Api, name: &str, step: &str) -> String {
    let answer = api.upload(name, step);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

/// Where the blob with this text lies in `folder`.
fn blob(folder: &Path, text: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read(&path).is_ok_and(|bytes| bytes == text.as_bytes()) {
                return path;
            }
        }
    }
    panic!("no blob holds this text");
}
