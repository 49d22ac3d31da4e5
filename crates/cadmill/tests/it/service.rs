//! The API as the command serves it: where it listens, and who gets in.

use serde_json::{Value, json};

use crate::{
    bench::{Bench, step},
    server::{Server, line, multipart},
};

#[test]
fn the_first_token_is_shown_once_and_opens_everything() {
    let bench = Bench::new();
    let mut server = Server::start(&bench, &[]);
    let told = line(&mut server.output);
    let token = told.rsplit_once(' ').unwrap().1.to_owned();
    assert!(
        told.starts_with("The first administrator's token"),
        "{told}"
    );

    let (status, _) = server.json("GET /api/cad", &token, &Value::Null);
    assert_eq!(status, 200);
    let (status, problem) = server.json("GET /api/cad", "cadmill_wrong", &Value::Null);
    assert_eq!((status, &problem["status"]), (401, &json!(401)));
    let health = format!("http://{}/healthz", server.address);
    bench.run(&["health", &health]).with(0);
    server.stop();
    bench.run(&["health", &health]).with(1);

    let mut again = Server::start(&bench, &[]);
    assert!(line(&mut again.output).starts_with("Milling with "));
    again.stop();
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let bench = Bench::new();
    let server = Server::start(&bench, &[]);
    let made = ["token", "create", "--name", "reader", "--json"];
    let made = bench.run(&made).with(0).objects().remove(0);
    let token = made["token"].as_str().unwrap();
    let (status, _) = server.json("GET /api/cad", token, &Value::Null);
    assert_eq!(status, 200);
    let missing = "POST /api/admin/generate-missing-usd-masters";
    assert_eq!(server.json(missing, token, &json!({})).0, 403);

    let listed = bench.run(&["token", "list"]).with(0).stdout;
    assert!(
        listed.contains("reader") && !listed.contains(token),
        "{listed}"
    );
    let id = made["id"].as_str().unwrap();
    bench.run(&["token", "revoke", id]).with(0);
    bench.run(&["token", "revoke", "nobody"]).with(1);
    assert_eq!(server.json("GET /api/cad", token, &Value::Null).0, 401);
    server.stop();
}

#[test]
fn without_tokens_only_this_machine_gets_in() {
    let bench = Bench::new();
    let open = ("CADMILL_ACCESS", "open");
    let refused = bench
        .command(&["serve", "--listen", "0.0.0.0:0"])
        .env(open.0, open.1)
        .output();
    let refused = crate::bench::Ended::from(refused.unwrap()).with(1);
    assert!(
        refused.stderr.contains("without tokens everybody"),
        "{}",
        refused.stderr
    );
    let mut server = Server::start(&bench, &[open]);
    assert!(line(&mut server.output).starts_with("No token is needed"));
    let (status, _, _) = server.ask("GET /api/cad", &[], b"");
    assert_eq!(status, 200);
    server.stop();
}

#[test]
fn a_file_comes_in_and_its_media_go_out() {
    let bench = Bench::new();
    let server = Server::start(&bench, &[("CADMILL_ACCESS", "open")]);
    let (kind, body) = multipart("bracket.step", &step(""));
    let (status, head, _) = server.ask("POST /api/cad", &[&kind], &body);
    assert_eq!(status, 201, "{head}");
    let id = bench.run(&["status", "bracket.step", "--json"]).with(0);
    let id = id.objects()[0]["file"]["id"].as_str().unwrap().to_owned();
    bench
        .run(&["generate-missing", "usd-masters", "--wait"])
        .with(0);

    // Every button again: nothing is queued, since all is there.
    for button in ["canonical-scenes", "usd-masters"] {
        let click = format!("POST /api/admin/generate-missing-{button}");
        let expected = json!({"queued": 0, "in_flight": 0, "present": 1, "failed": 0});
        assert_eq!(
            server.json(&click, "", &json!({})),
            (202, expected),
            "{button}"
        );
    }
    let content = format!("GET /api/cad/{id}/media/gltf_geometry/content");
    let (status, head, glb) = server.ask(&content, &[], b"");
    assert_eq!((status, &glb[..4]), (200, &b"glTF"[..]), "{head}");
    let (status, _, part) = server.ask(&content, &["Range: bytes=0-3"], b"");
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

    let (status, _, metrics) = server.ask("GET /metrics", &[], b"");
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(
        status == 200 && metrics.contains("cadmill_published_total"),
        "{metrics}"
    );
    let (status, _, ready) = server.ask("GET /readyz", &[], b"");
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&ready));
    server.stop();
}
