//! The API of a server: addresses and tokens.

use serde_json::{Value, json};

use crate::{
    server::{Server, line, multipart},
    test_dir::{TestDir, step},
};

#[test]
fn the_first_token_is_shown_once_and_opens_everything() {
    let dir = TestDir::new();
    let mut server = Server::start(&dir, &[]);
    let printed = line(&mut server.output);
    let token = printed.rsplit_once(' ').unwrap().1.to_owned();
    assert!(
        printed.starts_with("The first administrator's token"),
        "{printed}"
    );

    let (status, _) = server.json("GET /api/cad", &token, &Value::Null);
    assert_eq!(status, 200);
    let (status, problem) = server.json("GET /api/cad", "cadmill_wrong", &Value::Null);
    assert_eq!((status, &problem["status"]), (401, &json!(401)));
    let health = format!("http://{}/healthz", server.address);
    dir.run(&["health", &health]).expect_exit(0);
    server.stop();
    dir.run(&["health", &health]).expect_exit(1);

    let mut restarted = Server::start(&dir, &[]);
    assert!(line(&mut restarted.output).starts_with("Working with "));
    restarted.stop();
}

#[test]
fn tokens_are_created_listed_and_revoked() {
    let dir = TestDir::new();
    let server = Server::start(&dir, &[]);
    let create = ["token", "create", "--name", "reader", "--json"];
    let created = dir.run(&create).expect_exit(0).objects().remove(0);
    let token = created["token"].as_str().unwrap();
    let (status, _) = server.json("GET /api/cad", token, &Value::Null);
    assert_eq!(status, 200);
    let missing = "POST /api/admin/generate-missing-usd-masters";
    assert_eq!(server.json(missing, token, &json!({})).0, 403);

    let listed = dir.run(&["token", "list"]).expect_exit(0).stdout;
    assert!(
        listed.contains("reader") && !listed.contains(token),
        "{listed}"
    );
    let id = created["id"].as_str().unwrap();
    dir.run(&["token", "revoke", id]).expect_exit(0);
    dir.run(&["token", "revoke", "unknown"]).expect_exit(1);
    assert_eq!(server.json("GET /api/cad", token, &Value::Null).0, 401);
    server.stop();
}

#[test]
fn without_tokens_only_this_machine_has_access() {
    let dir = TestDir::new();
    let open = ("CADMILL_ACCESS", "open");
    let refused = dir
        .command(&["serve", "--listen", "0.0.0.0:0"])
        .env(open.0, open.1)
        .output();
    let refused = crate::test_dir::CommandOutput::from(refused.unwrap()).expect_exit(1);
    assert!(
        refused.stderr.contains("without tokens everyone"),
        "{}",
        refused.stderr
    );
    let mut server = Server::start(&dir, &[open]);
    assert!(line(&mut server.output).starts_with("No token is needed"));
    let (status, _, _) = server.send("GET /api/cad", &[], b"");
    assert_eq!(status, 200);
    server.stop();
}

#[test]
fn a_file_is_uploaded_and_its_media_are_downloaded() {
    let dir = TestDir::new();
    let server = Server::start(&dir, &[("CADMILL_ACCESS", "open")]);
    let (kind, body) = multipart("bracket.step", &step(""));
    let (status, head, _) = server.send("POST /api/cad", &[&kind], &body);
    assert_eq!(status, 201, "{head}");
    let id = dir
        .run(&["status", "bracket.step", "--json"])
        .expect_exit(0);
    let id = id.objects()[0]["file"]["id"].as_str().unwrap().to_owned();
    dir.run(&["generate-missing", "usd-masters", "--wait"])
        .expect_exit(0);

    // A second request queues nothing, since all media exist.
    for media in ["canonical-scenes", "usd-masters"] {
        let request = format!("POST /api/admin/generate-missing-{media}");
        let expected = json!({"queued": 0, "in_flight": 0, "present": 1, "failed": 0});
        assert_eq!(
            server.json(&request, "", &json!({})),
            (202, expected),
            "{media}"
        );
    }
    let content = format!("GET /api/cad/{id}/media/gltf_geometry/content");
    let (status, head, glb) = server.send(&content, &[], b"");
    assert_eq!((status, &glb[..4]), (200, &b"glTF"[..]), "{head}");
    let (status, _, part) = server.send(&content, &["Range: bytes=0-3"], b"");
    assert_eq!((status, part), (206, b"glTF".to_vec()));

    let file = format!("GET /api/cad/{id}");
    let (_, before) = server.json(&file, "", &Value::Null);
    let overrides = json!({"*": {"color": "#ff0000"}});
    let put = format!("PUT /api/cad/{id}/manual-material-overrides");
    assert_eq!(server.json(&put, "", &overrides).0, 200);
    let (_, after) = server.json(&file, "", &Value::Null);
    assert!(
        before["updated_at"].as_str() < after["updated_at"].as_str(),
        "{after}"
    );

    let (status, _, metrics) = server.send("GET /metrics", &[], b"");
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(
        status == 200 && metrics.contains("cadmill_published_total"),
        "{metrics}"
    );
    let (status, _, ready) = server.send("GET /readyz", &[], b"");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&ready));
    server.stop();
}
