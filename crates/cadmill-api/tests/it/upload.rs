//! Bringing files in.

use axum::{
    body::Body,
    http::{Method, Request},
};
use bytes::Bytes;
use cadmill_domain::{
    Blob, Blobs as _, CadFiles as _, TaskKind,
    access_token::Role,
    contract::all_files,
    ledger::{LedgerView as _, Priority, WorkQuery, WorkQueue as _},
};
use futures_util::{StreamExt as _, stream};

use crate::harness::{Answer, Harness, with};

const BOUNDARY: &str = "----cadmill";

fn part(file_name: &str, bytes: &str) -> String {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\r\n{bytes}\r\n"
    )
}

fn upload(secret: &str, body: impl Into<Body>) -> Request<Body> {
    let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
    let request = with(secret, Method::POST, "/api/cad").header("content-type", content_type);
    request.body(body.into()).unwrap()
}

fn end() -> String {
    format!("--{BOUNDARY}--\r\n")
}

async fn one(harness: &Harness, secret: &str, name: &str, bytes: &str) -> Answer {
    harness
        .send(upload(secret, part(name, bytes) + &end()))
        .await
}

async fn is_empty(harness: &Harness, bytes: &[u8]) {
    assert_eq!(all_files(&harness.store).await, []);
    assert!(harness.blobs.get(&Blob::of(bytes)).await.is_err());
}

#[tokio::test]
async fn one_file_is_brought_in_and_processed_first() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    harness.file("early.step", b"early").await;
    let answer = one(&harness, &secret, "cube.step", "ISO-10303-21;").await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let body = answer.json();
    assert_eq!(
        answer.header("location"),
        format!("/api/cad/{}", body["id"].as_str().unwrap())
    );
    assert_eq!(
        body["step_file_hash"],
        Blob::of(b"ISO-10303-21;").sha256.to_string()
    );
    let next = harness.store.next(&WorkQuery::first(1)).await.unwrap()[0].work;
    assert_eq!(next.kind, TaskKind::ProcessStep);
    assert_eq!(next.cad_file_id.to_string(), body["id"]);
    let (_, row) = &harness.store.rows(next.cad_file_id).await.unwrap()[0];
    assert_eq!(row.priority, Priority::Upload);
    harness
        .get(&secret, answer.header("location"))
        .await
        .is_ok();
}

#[tokio::test]
async fn each_of_several_files_has_its_own_result() {
    let mut harness = Harness::new();
    harness.settings.upload_limit_bytes = 5;
    let secret = harness.secret(Role::Editor).await;
    let body = part("a.step", "aaaaa") + &part("b.step", "bbbbbb") + &part("c.step", "c") + &end();
    let answer = harness.send(upload(&secret, body)).await;
    assert_eq!(answer.status, 207, "{answer:?}");
    let results = answer.json();
    assert_eq!(results.as_array().unwrap().len(), 3);
    assert_eq!(
        (&results[0]["status"], &results[0]["file"]["name"]),
        (&201.into(), &"a.step".into())
    );
    assert_eq!(
        (&results[1]["status"], &results[1]["problem"]["code"]),
        (&413.into(), &"too_large".into())
    );
    assert_eq!(
        results[1]["problem"]["request_id"],
        answer.header("x-request-id")
    );
    assert_eq!(
        (&results[2]["status"], &results[2]["file"]["name"]),
        (&201.into(), &"c.step".into())
    );
    assert_eq!(all_files(&harness.store).await.len(), 2);
    // Reading on has an end.
    let endless = part("a.step", "aaa") + part("b.step", &"b".repeat(200)).trim_end();
    let pieces = [endless, "b".repeat(200), part("", "") + &end()];
    let pieces = pieces.map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let body = Body::from_stream(stream::iter(pieces));
    let answer = harness.send(upload(&secret, body)).await;
    assert_eq!(answer.json().as_array().unwrap().len(), 2, "{answer:?}");
}

#[tokio::test]
async fn a_file_that_is_too_large_leaves_nothing() {
    let mut harness = Harness::new();
    harness.settings.upload_limit_bytes = 5;
    let secret = harness.secret(Role::Editor).await;
    one(&harness, &secret, "b.step", "bbbbbb")
        .await
        .is_problem(413, "too_large");
    assert_eq!(all_files(&harness.store).await, []);
    assert!(harness.blobs.get(&Blob::of(b"bbbbbb")).await.is_err());
}

#[tokio::test]
async fn a_broken_connection_leaves_no_row_and_no_blob() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    // The first file is whole, the second breaks off.
    let pieces = [
        Ok(Bytes::from(
            part("a.step", "aaa") + &part("b.step", "bbb")[..80],
        )),
        Err(std::io::Error::other("reset by peer")),
    ];
    let broken = Body::from_stream(stream::iter(pieces));
    harness
        .send(upload(&secret, broken))
        .await
        .is_problem(400, "bad_upload");
    is_empty(&harness, b"aaa").await;
    // The end is missing, though the connection closes in order.
    harness
        .send(upload(&secret, part("a.step", "aaa")))
        .await
        .is_problem(400, "bad_upload");
    is_empty(&harness, b"aaa").await;
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_no_row_and_no_blob() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let first = part("a.step", "aaa") + &part("b.step", "bbb");
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from(first))]);
    let stuck = futures_util::StreamExt::chain(first, stream::pending());
    let request = upload(&secret, Body::from_stream(stuck));
    {
        let mut sending = std::pin::pin!(harness.send(request));
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut sending).is_pending());
        }
    }
    is_empty(&harness, b"aaa").await;
}

#[tokio::test]
async fn what_is_no_upload_is_refused() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let json = with(&secret, Method::POST, "/api/cad").header("content-type", "application/json");
    harness
        .send(json.body(Body::from("{}")).unwrap())
        .await
        .is_problem(415, "media_type");
    let bare =
        with(&secret, Method::POST, "/api/cad").header("content-type", "multipart/form-data");
    harness
        .send(bare.body(Body::from("x")).unwrap())
        .await
        .is_problem(415, "media_type");
    let none = with(&secret, Method::POST, "/api/cad").body(Body::empty());
    harness
        .send(none.unwrap())
        .await
        .is_problem(415, "media_type");
    harness
        .send(upload(&secret, end()))
        .await
        .is_problem(422, "invalid");
    let other = part("a.step", "aaa").replace("name=\"file\"", "name=\"other\"") + &end();
    harness
        .send(upload(&secret, other))
        .await
        .is_problem(422, "invalid");
    let text = part("", "aaa").replace("; filename=\"\"", "") + &end();
    let text = harness.send(upload(&secret, text)).await;
    text.is_problem(422, "invalid");
    harness
        .send(upload(&secret, "rubbish"))
        .await
        .is_problem(400, "bad_upload");
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: {}",
        "x".repeat(64 << 10)
    );
    let endless = std::iter::once(head).chain(std::iter::repeat_n("x".repeat(64 << 10), 10_000));
    let endless = stream::iter(endless.map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))));
    harness
        .send(upload(&secret, Body::from_stream(endless)))
        .await
        .is_problem(400, "bad_upload");
    is_empty(&harness, b"aaa").await;
}

#[tokio::test]
async fn an_upload_that_falls_silent_is_broken_off() {
    let mut harness = Harness::new();
    harness.settings.time_limit = std::time::Duration::from_millis(50);
    let secret = harness.secret(Role::Editor).await;
    let first = Ok::<_, std::io::Error>(Bytes::from(part("a.step", "aaa")));
    let silent = Body::from_stream(stream::iter([first]).chain(stream::pending()));
    harness
        .send(upload(&secret, silent))
        .await
        .is_problem(400, "bad_upload");
    is_empty(&harness, b"aaa").await;
}

#[tokio::test]
async fn hostile_names_are_cleaned_and_served_safely() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let cases = [
        ("../../etc/passwd", "passwd"),
        ("CON.step", "_CON.step"),
        ("a\u{202e}b.step", "ab.step"),
        ("", "unnamed.step"),
        ("Gehäuse.step", "Gehäuse.step"),
    ];
    for (sent, stored) in cases {
        let answer = one(&harness, &secret, sent, sent).await;
        assert_eq!(answer.status, 201, "{sent:?}: {answer:?}");
        assert_eq!(answer.json()["name"], stored, "{sent:?}");
    }
    let file = harness.store.named("Gehäuse.step").await.unwrap().unwrap();
    harness.scene(file.id, b"glTF").await;
    let path = format!("/api/cad/{}/media/gltf_geometry/content", file.id);
    let answer = harness.get(&secret, &path).await;
    let expected = "attachment; filename=\"Geh_use.glb\"; filename*=UTF-8''Geh%C3%A4use.glb";
    assert_eq!(answer.header("content-disposition"), expected);
}

#[tokio::test]
async fn a_new_revision_makes_the_media_stale_and_keeps_the_materials() {
    let harness = Harness::new();
    let secret = harness.secret(Role::Editor).await;
    let file = harness.file("a.step", b"first").await;
    harness.scene(file.id, b"glTF").await;
    let path = format!("/api/cad/{}/source", file.id);
    let put = |tag: Option<&str>, bytes: &'static str| {
        let mut request = with(&secret, Method::PUT, &path).header("content-type", "model/step");
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        request.body(Body::from(bytes)).unwrap()
    };
    harness.clock.advance(chrono::TimeDelta::seconds(1));
    let shown = format!("/api/cad/{}", file.id);
    let tag = harness.get(&secret, &shown).await.header("etag").to_owned();
    let answer = harness.send(put(Some(&tag), "second")).await;
    answer.is_ok();
    assert_eq!(
        answer.json()["step_file_hash"],
        Blob::of(b"second").sha256.to_string()
    );
    let media = harness.get(&secret, &shown).await.json();
    assert_eq!(media["media"][0]["state"], "stale");
    harness
        .send(put(Some(&tag), "third"))
        .await
        .is_problem(412, "changed");
    assert!(harness.blobs.get(&Blob::of(b"third")).await.is_err());
    harness
        .send(put(Some(answer.header("etag")), "fourth"))
        .await
        .is_ok();
    let text = with(&secret, Method::PUT, &path).header("content-type", "text/plain");
    harness
        .send(text.body(Body::from("x")).unwrap())
        .await
        .is_problem(415, "media_type");
    let pieces = [
        Ok(Bytes::from("half")),
        Err(std::io::Error::other("reset by peer")),
    ];
    let broken = with(&secret, Method::PUT, &path).header("content-type", "model/step");
    let broken = broken
        .body(Body::from_stream(stream::iter(pieces)))
        .unwrap();
    harness.send(broken).await.is_problem(400, "bad_upload");
    assert!(harness.blobs.get(&Blob::of(b"half")).await.is_err());
}
