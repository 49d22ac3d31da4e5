//! Blobs in buckets of a real S3 server.

use std::{
    future::{Ready, ready},
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use cadmill_domain::{
    Blob, Blobs, FailureCode, SystemClock, blobs::report_blob_loss,
    contract::blobs::another_length_is_told_at_once, ledger::WorkerName,
};
use cadmill_servers::{Proxy, create_bucket, shared};
use cadmill_store::{Database, LocalWorkNotifier, Marker, ObjectBlobs, Store};
use object_store::aws::AmazonS3Builder;
use uuid::Uuid;

mod blobs {
    cadmill_domain::blobs_contract!(super::in_a_new_bucket());
}

/// Blobs in a new bucket.
fn in_a_new_bucket() -> Ready<Arc<dyn Blobs>> {
    ready(Arc::new(open_new_bucket()))
}

pub(crate) fn open_new_bucket() -> ObjectBlobs {
    let bucket = format!("blobs-{}", Uuid::now_v7());
    create_bucket(&endpoint(), &bucket).unwrap();
    open(&format!("s3://{bucket}/cadmill"))
}

fn open(url: &str) -> ObjectBlobs {
    ObjectBlobs::in_s3_as(url, settings()).unwrap()
}

fn settings() -> AmazonS3Builder {
    AmazonS3Builder::new()
        .with_endpoint(endpoint())
        .with_allow_http(true)
        .with_region("eu-central-1")
        .with_access_key_id("key")
        .with_secret_access_key("secret")
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

    // Nothing is lost with it, since it may be there again tomorrow.
    let blob = Blob::of(b"glTF");
    let failure = blobs.get(&blob).await.unwrap_err();
    let opened = crate::open::sqlite().await;
    let finder = WorkerName::new("verify");
    let ledger = &*opened.deployment.ledger;
    let reported = report_blob_loss(&blobs, ledger, &blob, failure, &finder).await;
    assert_eq!(reported.unwrap_err().code, FailureCode::Storage);
}

#[tokio::test]
async fn what_is_lost_is_not_signed() {
    use object_store::{ObjectStoreExt as _, path::Path as Key};

    let bucket = format!("blobs-{}", Uuid::now_v7());
    create_bucket(&endpoint(), &bucket).unwrap();
    let blobs = open(&format!("s3://{bucket}/cadmill"));
    let store = settings().with_bucket_name(&bucket).build().unwrap();
    let blob = blobs.put(b"glTF".to_vec()).await.unwrap();
    let hash = blob.sha256.to_string();
    let key = Key::from(format!("cadmill/sha256/{}/{hash}", &hash[..2]));
    let minute = Duration::from_mins(1);
    let sign = async || {
        blobs
            .direct_url(&blob, "a.glb", "model/gltf-binary", minute)
            .await
    };
    sign().await.unwrap();
    store.put(&key, b"glT".to_vec().into()).await.unwrap();
    assert_eq!(sign().await.unwrap_err().code, FailureCode::BlobDamaged);
    another_length_is_told_at_once(&blobs, &blob).await;
    store.delete(&key).await.unwrap();
    assert_eq!(sign().await.unwrap_err().code, FailureCode::BlobMissing);
}

#[tokio::test]
async fn uploads_that_were_never_ended_are_aborted() {
    use cadmill_domain::{Clock as _, SweepId};
    use object_store::{ObjectStoreExt as _, multipart::MultipartStore as _, path::Path as Key};

    let bucket = format!("blobs-{}", Uuid::now_v7());
    create_bucket(&endpoint(), &bucket).unwrap();
    let blobs = open(&format!("s3://{bucket}/cadmill"));
    let store = settings().with_bucket_name(&bucket).build().unwrap();
    let left = Key::from("cadmill/incoming/left");
    let upload = store.create_multipart(&left).await.unwrap();
    let part = vec![7; 5 << 20];
    let sent = store.put_part(&left, &upload, 0, part.clone().into()).await;
    sent.unwrap();
    // As an API names it.
    let young = Key::from(format!("cadmill/incoming/{}", Uuid::now_v7()));
    let going_on = store.create_multipart(&young).await.unwrap();
    let foreign = Key::from("other/file");
    let kept = store.create_multipart(&foreign).await.unwrap();

    let opened = crate::open::sqlite().await;
    let a_day_ago = SystemClock.now() - chrono::TimeDelta::days(1);
    let sweep = cadmill_store::SweepOptions {
        id: SweepId::generate(&SystemClock),
        older_than: a_day_ago,
        unfinished_before: a_day_ago,
        is_confirmed: false,
        is_careful: false,
        owner: None,
    };
    // The server says that all uploads were begun in 2010.
    blobs.sweep(&*opened.deployment.refs, sweep).await.unwrap();
    let late = store.put_part(&left, &upload, 1, part.clone().into()).await;
    late.expect_err("the upload is gone");
    let other = store.put_part(&foreign, &kept, 0, part.clone().into());
    other.await.expect("what is not ours is left alone");
    let going_on = store.put_part(&young, &going_on, 0, part.into()).await;
    going_on.expect("what may still be going on is left alone");
    assert!(store.head(&left).await.is_err());
}

#[tokio::test]
async fn a_bucket_bears_the_marker_of_its_database() {
    let bucket = format!("blobs-{}", Uuid::now_v7());
    create_bucket(&endpoint(), &bucket).unwrap();
    let url = format!("s3://{bucket}/cadmill");
    let [blobs, of_second] = [open(&url), open(&url)];
    let [first, second] = [open_store().await, open_store().await];
    let owner = first.own_blobs(&blobs).await.unwrap();
    assert_eq!(blobs.marker().await.unwrap(), Marker::Owner(owner));
    assert!(!blobs.mark(owner).await.unwrap(), "it is marked already");
    second.own_blobs(&of_second).await.unwrap_err();
    let adopted = second.adopt_blobs(&of_second).await.unwrap();
    assert_eq!(second.own_blobs(&of_second).await.unwrap(), adopted);
    first.own_blobs(&blobs).await.unwrap_err();
}

async fn open_store() -> Store {
    let url = crate::open::new_postgres_database().await;
    let database = Database::connect_postgres(&url, 2).await.unwrap();
    database.migrate().await.unwrap();
    let plan = cadmill_domain::contract::plan();
    let notifier = Arc::new(LocalWorkNotifier::default());
    Store::new(database, plan, Arc::new(SystemClock), notifier)
}

/// The total takes longer than any client waits by default.
#[tokio::test]
async fn what_takes_long_to_send_is_stored() {
    let proxy = Proxy::start(&endpoint()).unwrap();
    let bucket = format!("blobs-{}", Uuid::now_v7());
    create_bucket(&endpoint(), &bucket).unwrap();
    let settings = settings().with_endpoint(proxy.url());
    let blobs = ObjectBlobs::in_s3_as(&format!("s3://{bucket}/cadmill"), settings).unwrap();
    proxy.set_bytes_per_second(Some(64 << 10));
    let bytes: Vec<u8> = (0..2_200_000_u32).map(|number| number as u8).collect();
    let blob = blobs.put(bytes).await.unwrap();
    proxy.set_bytes_per_second(None);
    assert!(blobs.is_whole(&blob).await.unwrap());
    assert!(proxy.sent() < 2 * blob.bytes, "it was sent once");
}
