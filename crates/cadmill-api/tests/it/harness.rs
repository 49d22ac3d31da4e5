//! The whole service over the fakes, and short ways to ask it.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, request::Builder},
};
use bytes::Bytes;
use cadmill_api::{Api, Settings};
use cadmill_domain::{
    Blob, Blobs, CadFile, CadFileId, CadFiles, ContentHash, MediaAssetId, MediaKind, MediaPlan,
    Moment, NewCadFile, NewMediaAsset, Recipe, TaskKind, Work,
    access_token::{AccessTokens, NewAccessToken, Role, TokenSecret},
    fakes::{ManualClock, MemoryBlobs, MemoryStore},
    ledger::{Published, Request as Asked, TaskOutput, WorkQueue as _, WorkerName},
};
use cadmill_lock::MemoryLock;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// The service and what is behind it.
#[derive(Debug, Clone)]
pub(crate) struct Harness {
    pub(crate) api: Api,
    pub(crate) settings: Settings,
    pub(crate) store: MemoryStore,
    pub(crate) blobs: MemoryBlobs,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) lock: Arc<MemoryLock>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new());
        let plan = MediaPlan::new(Recipe::STANDARD, MediaKind::ALL);
        let store = MemoryStore::new(plan, clock.clone());
        let blobs = MemoryBlobs::default();
        let lock = Arc::new(MemoryLock::new("tester"));
        let api = Api {
            files: Arc::new(store.clone()),
            assets: Arc::new(store.clone()),
            requests: Arc::new(store.clone()),
            view: Arc::new(store.clone()),
            log: Arc::new(store.clone()),
            blobs: Arc::new(blobs.clone()),
            refs: Arc::new(store.clone()),
            lock: lock.clone(),
            tokens: Arc::new(store.clone()),
            random: rand::random,
            webhooks: Arc::new(store.clone()),
            clock: clock.clone(),
            checks: Vec::new(),
            render_metrics: Arc::new(|| "# TYPE up gauge\nup 1\n".to_owned()),
            join_trace: |_, _| {},
            stop: tokio_util::sync::CancellationToken::new(),
        };
        let settings = Settings::default();
        Self {
            api,
            settings,
            store,
            blobs,
            clock,
            lock,
        }
    }

    pub(crate) fn router(&self) -> Router {
        self.api.clone().router(&self.settings)
    }

    /// A secret of a token with this role.
    pub(crate) async fn secret(&self, role: Role) -> String {
        self.token_until(role, rand::random(), None).await
    }

    pub(crate) async fn token_until(
        &self,
        role: Role,
        bytes: [u8; 32],
        expires_at: Option<Moment>,
    ) -> String {
        let secret = TokenSecret::from_random(bytes);
        let token = NewAccessToken::of(&secret, role.to_string(), role, expires_at);
        self.store.create(token).await.unwrap();
        secret.expose().to_owned()
    }

    /// A file with these bytes.
    pub(crate) async fn file(&self, name: &str, bytes: &[u8]) -> CadFile {
        let source = self.blobs.put(bytes.to_vec()).await.unwrap();
        let file = NewCadFile {
            name: name.to_owned(),
            source: source.into(),
        };
        self.store.add(file, Some(Asked::ASKED)).await.unwrap()
    }

    /// Does the work of a worker.
    pub(crate) async fn publish(
        &self,
        cad_file_id: CadFileId,
        kind: TaskKind,
        product: TaskOutput,
    ) -> Option<MediaAssetId> {
        let work = Work { cad_file_id, kind };
        let worker = WorkerName::new("worker 1");
        let claim = self.store.claim(work, &worker).await.unwrap().unwrap();
        match self.store.publish(&claim, product).await.unwrap() {
            Published::Done { asset, .. } => asset,
            Published::Refused => panic!("the claim was refused"),
        }
    }

    /// Reads the file and makes `bytes` its canonical scene.
    pub(crate) async fn scene(&self, id: CadFileId, bytes: &[u8]) -> MediaAssetId {
        self.publish(
            id,
            TaskKind::ProcessStep,
            TaskOutput::Step(cadmill_domain::fakes::step_facts(b"STEP").into()),
        )
        .await;
        self.medium(id, MediaKind::GltfGeometry, bytes).await
    }

    pub(crate) async fn medium(
        &self,
        id: CadFileId,
        kind: MediaKind,
        bytes: &[u8],
    ) -> MediaAssetId {
        let blob = self.blobs.put(bytes.to_vec()).await.unwrap();
        assert_eq!(
            blob,
            Blob {
                sha256: ContentHash::of(bytes),
                bytes: bytes.len() as u64
            }
        );
        let report = cadmill_domain::ConversionReport {
            converter: "cadmill 0.1.0".to_owned(),
            unmatched_materials: Vec::new(),
        };
        let product = TaskOutput::Asset(NewMediaAsset {
            blob: blob.into(),
            report: report.into(),
        });
        self.publish(id, TaskKind::Make(kind), product)
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, secret: &str, path: &str) -> Answer {
        self.send(with(secret, Method::GET, path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn json(
        &self,
        secret: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let request = with(secret, method, path).header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(self.router(), request).await
    }
}

pub(crate) async fn answer(router: Router, request: Request<Body>) -> Answer {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// A request with this secret.
pub(crate) fn with(secret: &str, method: Method, path: &str) -> Builder {
    let request = Request::builder().method(method).uri(path);
    request.header("authorization", format!("Bearer {secret}"))
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn is_ok(&self) {
        assert_eq!(self.status, 200, "{self:?}");
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a whole problem with this status and code.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("urn:cadmill:problem:{code}"));
        assert_eq!(body["request_id"], self.header("x-request-id"));
        for text in ["title", "detail", "remedy"] {
            assert!(!body[text].as_str().unwrap().is_empty(), "{body}");
        }
        body
    }
}
