//! Blobs in buckets of a real S3 server.

use std::{
    future::{Ready, ready},
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use cadmill_domain::{Blobs, FailureCode};
use cadmill_servers::{create_bucket, shared};
use cadmill_store::ObjectBlobs;
use object_store::aws::AmazonS3Builder;
use uuid::Uuid;

mod blobs {
    cadmill_domain::blobs_contract!(super::in_a_new_bucket());
}

/// Blobs in a new bucket.
fn in_a_new_bucket() -> Ready<Arc<dyn Blobs>> {
    let bucket = format!("blobs-{}", Uuid::now_v7());
    create_bucket(&endpoint(), &bucket).unwrap();
    ready(Arc::new(open(&format!("s3://{bucket}/cadmill"))))
}

fn open(url: &str) -> ObjectBlobs {
    let settings = AmazonS3Builder::new()
        .with_endpoint(endpoint())
        .with_allow_http(true)
        .with_region("eu-central-1")
        .with_access_key_id("key")
        .with_secret_access_key("secret");
    ObjectBlobs::in_s3_as(url, settings).unwrap()
}

fn endpoint() -> String {
    shared::s3_endpoint()
}

#[tokio::test]
async fn a_signed_url_hands_out_the_blob_by_itself() {
    let blobs = in_a_new_bucket().await;
    let blob = blobs.put(b"glTF".to_vec()).await.unwrap();
    let minute = Duration::from_mins(1);
    let url = blobs.direct_url(&blob, "Träger 1.glb", "model/gltf-binary", minute);
    let url = url.await.unwrap().expect("S3 can sign");

    let (server, path) = url
        .strip_prefix("http://")
        .and_then(|url| url.split_once('/'))
        .unwrap();
    let mut stream = TcpStream::connect(server).unwrap();
    write!(
        stream,
        "GET /{path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nglTF"), "{answer}");
    let answer = answer.to_lowercase();
    assert!(
        answer.contains("content-type: model/gltf-binary"),
        "{answer}"
    );
    assert!(
        answer.contains("filename*=utf-8''tr%c3%a4ger%201.glb"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_told() {
    let blobs = open("s3://no-such-bucket");
    let failure = blobs.put(b"glTF".to_vec()).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Storage);
    assert!(failure.detail.contains("bucket"), "{failure:?}");
}
