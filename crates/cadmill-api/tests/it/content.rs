//! The bytes of media.

use axum::{body::Body, http::Method};
use cadmill_domain::{
    Blob, ContentHash, MediaKind, TaskKind,
    access_token::Role,
    ledger::{LedgerView as _, RowState},
};

use crate::harness::{Answer, Harness, with};

const BYTES: &[u8] = b"glTF456789";

struct Stage {
    harness: Harness,
    secret: String,
    by_asset: String,
    by_kind: String,
}

impl Stage {
    async fn new() -> Self {
        let harness = Harness::new();
        let secret = harness.secret(Role::Viewer).await;
        let file = harness.file("a b.step", b"a").await;
        let id = harness.scene(file.id, BYTES).await;
        let by_asset = format!("/api/media/{id}/content");
        let by_kind = format!("/api/cad/{}/media/gltf_geometry/content", file.id);
        Self {
            harness,
            secret,
            by_asset,
            by_kind,
        }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = with(&self.secret, method, path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.harness
            .send(request.body(Body::empty()).unwrap())
            .await
    }
}

#[tokio::test]
async fn the_whole_is_sent_with_all_that_is_known_of_it() {
    let stage = Stage::new().await;
    let cases = [
        (&stage.by_asset, "private, max-age=31536000, immutable"),
        (&stage.by_kind, "private, no-cache"),
    ];
    for (path, caching) in cases {
        let tag = format!("\"{}\"", ContentHash::of(BYTES));
        for method in [Method::GET, Method::HEAD] {
            let answer = stage.ask(method.clone(), path, &[]).await;
            answer.is_ok();
            let expected = if method == Method::GET { BYTES } else { b"" };
            assert_eq!(answer.body, expected);
            assert_eq!(answer.header("etag"), tag);
            assert_eq!(answer.header("cache-control"), caching);
            assert_eq!(answer.header("content-type"), "model/gltf-binary");
            assert_eq!(answer.header("content-length"), "10");
            assert_eq!(answer.header("accept-ranges"), "bytes");
            assert!(
                answer
                    .header("content-disposition")
                    .contains("filename=\"a b.glb\"")
            );
        }
        let known = stage
            .ask(Method::GET, path, &[("if-none-match", &tag)])
            .await;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
        assert_eq!(known.header("etag"), tag);
    }
}

#[tokio::test]
async fn ranges_are_sent_and_those_outside_are_refused() {
    let stage = Stage::new().await;
    let tag = format!("\"{}\"", ContentHash::of(BYTES));
    let range = async |range: &str, if_range: &str| {
        stage
            .ask(
                Method::GET,
                &stage.by_asset,
                &[("range", range), ("if-range", if_range)],
            )
            .await
    };
    let part = range("bytes=2-4", &tag).await;
    assert_eq!((part.status.as_u16(), &part.body[..]), (206, &BYTES[2..5]));
    assert_eq!(part.header("content-range"), "bytes 2-4/10");
    assert_eq!(part.header("content-length"), "3");
    let suffix = range("bytes=-3", &tag).await;
    assert_eq!(
        (suffix.status.as_u16(), &suffix.body[..]),
        (206, &BYTES[7..])
    );
    let outside = range("bytes=10-", &tag).await;
    outside.is_problem(416, "range");
    assert_eq!(outside.header("content-range"), "bytes */10");
    for (text, if_range) in [
        ("bytes=0-1,3-4", &*tag),
        ("lines=1-2", &tag),
        ("bytes=2-4", "\"old\""),
    ] {
        let whole = range(text, if_range).await;
        assert_eq!(
            (whole.status.as_u16(), &whole.body[..]),
            (200, BYTES),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem() {
    let stage = Stage::new().await;
    let missing = stage.by_kind.replace("gltf_geometry", "thumbnail");
    stage
        .ask(Method::GET, &missing, &[])
        .await
        .is_problem(404, "medium_missing");
    let nobody = "/api/media/0192f3a4-0000-7000-8000-000000000001/content";
    stage
        .ask(Method::GET, nobody, &[])
        .await
        .is_problem(404, "not_found");
}

#[tokio::test]
async fn a_medium_whose_bytes_are_lost_is_made_again() {
    for left in [None, Some(&b"glTF"[..]), Some(b"")] {
        for range in [None, Some("bytes=2-4"), Some("bytes=8-")] {
            let stage = Stage::new().await;
            let blob = Blob::of(BYTES);
            let left = left.map(<[u8]>::to_vec);
            stage.harness.blobs.damage(&blob, left);
            let headers = range.map(|range| ("range", range));
            let headers = headers.as_slice();
            let answer = stage.ask(Method::GET, &stage.by_asset, headers).await;
            answer.is_problem(503, "bytes_lost");
            assert_eq!(answer.header("retry-after"), "5");
            // The rows of an older medium are gone, and a new one is under way.
            let gone = stage.ask(Method::GET, &stage.by_asset, headers).await;
            gone.is_problem(404, "not_found");
            let missing = stage.ask(Method::GET, &stage.by_kind, headers).await;
            missing.is_problem(404, "medium_missing");
            let id = stage.by_kind.split('/').nth(3).unwrap().parse().unwrap();
            let rows = stage.harness.store.rows(id).await.unwrap();
            let glb = TaskKind::Make(MediaKind::GltfGeometry);
            let state = rows.iter().find(|(kind, _)| *kind == glb).unwrap().1.state;
            assert_eq!(state, RowState::Queued);
        }
    }
}

#[tokio::test]
async fn each_kind_has_its_media_type() {
    let stage = Stage::new().await;
    let id = stage.by_kind.split('/').nth(3).unwrap().parse().unwrap();
    let cases = [
        (MediaKind::UsdMaster, "model/vnd.usdz+zip", "a b.usdz"),
        (MediaKind::WebGlb, "model/gltf-binary", "a b.web.glb"),
        (MediaKind::Thumbnail, "image/png", "a b.png"),
    ];
    for (kind, media_type, name) in cases {
        stage.harness.medium(id, kind, name.as_bytes()).await;
        let path = stage.by_kind.replace("gltf_geometry", kind.as_str());
        let answer = stage.ask(Method::GET, &path, &[]).await;
        assert_eq!(answer.header("content-type"), media_type);
        assert!(answer.header("content-disposition").contains(name));
    }
}

mod redirects {
    use std::{
        ops::Range,
        path::{Path, PathBuf},
        sync::Arc,
        time::Duration,
    };

    use axum::http::Method;
    use cadmill_domain::{
        Blob, Blobs, Failure,
        blobs::{BlobCopy, BlobUpload, ByteStream},
        fakes::MemoryBlobs,
    };

    use super::Stage;

    /// Blobs that anybody may get from elsewhere.
    #[derive(Debug)]
    struct Elsewhere(MemoryBlobs);

    #[async_trait::async_trait]
    impl Blobs for Elsewhere {
        async fn put_copy(&self, bytes: bytes::Bytes, copy: BlobCopy) -> Result<Blob, Failure> {
            self.0.put_copy(bytes, copy).await
        }
        async fn hash_file(&self, path: &Path) -> Result<Blob, Failure> {
            self.0.hash_file(path).await
        }
        async fn put_file_copy(
            &self,
            path: &Path,
            blob: Blob,
            copy: BlobCopy,
        ) -> Result<(), Failure> {
            self.0.put_file_copy(path, blob, copy).await
        }
        async fn get(&self, blob: &Blob) -> Result<Vec<u8>, Failure> {
            self.0.get(blob).await
        }
        async fn fetch(&self, blob: &Blob, folder: &Path) -> Result<PathBuf, Failure> {
            self.0.fetch(blob, folder).await
        }
        async fn is_whole(&self, blob: &Blob) -> Result<bool, Failure> {
            self.0.is_whole(blob).await
        }
        async fn begin(&self) -> Result<Box<dyn BlobUpload>, Failure> {
            self.0.begin().await
        }
        async fn read(&self, blob: &Blob, range: Range<u64>) -> Result<ByteStream, Failure> {
            self.0.read(blob, range).await
        }
        async fn direct_url(
            &self,
            blob: &Blob,
            name: &str,
            media_type: &str,
            valid_for: Duration,
        ) -> Result<Option<String>, Failure> {
            drop(self.0.read(blob, 0..0).await?);
            let seconds = valid_for.as_secs();
            let name = name.replace(' ', "+");
            Ok(Some(format!(
                "https://s3/{}?n={name}&t={media_type}&s={seconds}",
                blob.sha256
            )))
        }
        async fn probe(&self) -> Result<(), Failure> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn clients_are_sent_to_the_blob_store_only_if_that_is_set() {
        let mut stage = Stage::new().await;
        stage.harness.api.blobs = Arc::new(Elsewhere(stage.harness.blobs.clone()));
        stage.ask(Method::GET, &stage.by_asset, &[]).await.is_ok();
        stage.harness.settings.redirect_downloads_for = Some(Duration::from_mins(1));
        let answer = stage.ask(Method::GET, &stage.by_asset, &[]).await;
        assert_eq!(answer.status, 307);
        assert!(
            answer
                .header("location")
                .ends_with("?n=a+b.glb&t=model/gltf-binary&s=60")
        );
        assert_eq!(answer.header("cache-control"), "no-store");
        stage.ask(Method::HEAD, &stage.by_asset, &[]).await.is_ok();

        stage.harness.blobs.damage(&Blob::of(super::BYTES), None);
        let answer = stage.ask(Method::GET, &stage.by_asset, &[]).await;
        answer.is_problem(503, "bytes_lost");
    }
}
