//! Puts the service together: which ports go to which routes, and what stands before them.

use std::{fmt, future::ready, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware,
};
use cadmill_domain::{
    Blobs, CadFiles, Clock, HealthCheck, MediaAssets,
    access_token::AccessTokens,
    blobs::BlobRefs,
    ledger::{LedgerView, WorkRequests},
    pipeline_log::PipelineLog,
    webhook::Webhooks,
};
use cadmill_lock::DedupLock;
use tokio_util::sync::CancellationToken;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
    timeout::{TimeoutBody, TimeoutLayer},
};
use tracing::Span;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Access, Settings,
    access::Guard,
    document, events,
    gate::{self, Gate},
    media_bytes::MediaBytes,
    outline::Outlines,
    problem::{Code, Problem},
    request::{self, REQUEST_ID},
    routes::{
        bulk::{self, Bulk},
        cad::{self, Shown},
        cad_list::{self, Catalogue},
        content::{self, Contents},
        documentation,
        health::{self, Health},
        materials::{self, Materials},
        media::{self, Media},
        parts, source,
        timeline::{self, Story},
        tokens::{self, Tokens},
        upload::{self, Uploads},
        work::{self, Works},
    },
    webhooks,
};

/// Writes the metrics of the process as Prometheus reads them.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Makes the span of a request part of the trace that the headers of the request tell of, if any.
pub type JoinTrace = fn(&Span, &HeaderMap);

/// Gives 32 bytes that nobody can guess.
pub type RandomBytes = fn() -> [u8; 32];

/// What the service is made of.
#[derive(Clone)]
pub struct Api {
    /// The CAD files.
    pub files: Arc<dyn CadFiles>,
    /// The media that were made.
    pub assets: Arc<dyn MediaAssets>,
    /// Requests of results.
    pub requests: Arc<dyn WorkRequests>,
    /// Counts and lists of the rows of the ledger.
    pub view: Arc<dyn LedgerView>,
    /// What happened to each file.
    pub log: Arc<dyn PipelineLog>,
    /// The bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Which blobs are referred to.
    pub refs: Arc<dyn BlobRefs>,
    /// The lock, which is only asked who holds what.
    pub lock: Arc<dyn DedupLock>,
    /// The access tokens.
    pub tokens: Arc<dyn AccessTokens>,
    /// Makes secrets.
    pub random: RandomBytes,
    /// Who is told what happens.
    pub webhooks: Arc<dyn Webhooks>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// What must work for the service to be ready.
    pub checks: Vec<Arc<dyn HealthCheck>>,
    /// Writes the metrics of the process.
    pub render_metrics: RenderMetrics,
    /// Lets traces go on here that began elsewhere.
    pub join_trace: JoinTrace,
    /// Cancelled when the service is to end: whoever follows the events is dismissed at once.
    pub stop: CancellationToken,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// The OpenAPI document of the service.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut document = document::base();
    document.merge(upload::routes().into_openapi());
    document.merge(source::routes().into_openapi());
    document.merge(content::routes().into_openapi());
    document.merge(cad::routes().into_openapi());
    document.merge(cad_list::routes().into_openapi());
    document.merge(parts::routes().into_openapi());
    document.merge(materials::routes().into_openapi());
    document.merge(timeline::routes().into_openapi());
    document.merge(media::routes().into_openapi());
    document.merge(bulk::routes().into_openapi());
    document.merge(work::routes().into_openapi());
    document.merge(tokens::routes().into_openapi());
    document.merge(health::routes().into_openapi());
    document.merge(events::routes().into_openapi());
    document.merge(webhooks::routes().into_openapi());
    document::complete(&mut document);
    document
}

impl Api {
    /// The router of the whole service.
    pub fn router(self, settings: &Settings) -> Router {
        let join_trace = self.join_trace;
        let guard = Guard::new(settings, self.tokens.clone(), self.clock.clone());
        let (router, document) = self.routes(settings);
        let gate = Arc::new(Gate::new(&document, guard));
        let router = router
            .layer(middleware::from_fn_with_state(gate, gate::pass))
            .merge(documentation::router(document))
            .layer(middleware::from_fn(request::note_route));
        with_outer_layers(router, settings, join_trace)
    }

    fn routes(self, settings: &Settings) -> (Router, OpenApi) {
        let feed = events::Feed::new(self.log.clone(), settings.feed, self.stop.clone());
        let hooks = webhooks::Hooks {
            webhooks: self.webhooks.clone(),
            clock: self.clock.clone(),
            targets: Arc::new(settings.webhook_targets.clone()),
        };
        let (slow, quick) = (self.file_routes(settings), self.quick_routes());
        let quick = quick
            .merge(events::routes().with_state(feed))
            .merge(webhooks::routes().with_state(hooks))
            .layer(DefaultBodyLimit::max(settings.body_limit_bytes))
            .layer(TimeoutLayer::with_status_code(
                StatusCode::SERVICE_UNAVAILABLE,
                settings.time_limit,
            ));
        let all = OpenApiRouter::with_openapi(document::base())
            .merge(slow)
            .merge(quick);
        let (router, mut document) = all.split_for_parts();
        document::complete(&mut document);
        document::open(&mut document, |path| {
            settings.access == Access::Open || (settings.open_metrics && path == "/metrics")
        });
        (router, document)
    }

    /// What takes or gives files, however long that lasts.
    fn file_routes(&self, settings: &Settings) -> OpenApiRouter {
        let uploads = Uploads {
            files: self.files.clone(),
            blobs: self.blobs.clone(),
            refs: self.refs.clone(),
            limit_bytes: settings.upload_limit_bytes,
        };
        let contents = Contents {
            files: self.files.clone(),
            assets: self.assets.clone(),
            media: self.media_bytes(),
            redirect_for: settings.redirect_downloads_for,
        };
        let longest_silence = settings.time_limit;
        let break_off = move |request: Request| {
            ready(request.map(|body| Body::new(TimeoutBody::new(longest_silence, body))))
        };
        OpenApiRouter::new()
            .merge(upload::routes().with_state(uploads.clone()))
            .merge(source::routes().with_state(uploads))
            .layer(middleware::map_request(break_off))
            .merge(content::routes().with_state(contents))
    }

    fn media_bytes(&self) -> MediaBytes {
        MediaBytes {
            blobs: self.blobs.clone(),
            requests: self.requests.clone(),
        }
    }

    fn quick_routes(self) -> OpenApiRouter {
        let outlines = Arc::new(Outlines::new(self.media_bytes()));
        let files = Shown {
            files: self.files.clone(),
            assets: self.assets.clone(),
            outlines,
        };
        let story = Story {
            files: self.files.clone(),
            log: self.log,
        };
        let media = Media {
            files: self.files.clone(),
            assets: self.assets,
            requests: self.requests.clone(),
        };
        let bulk = Bulk {
            requests: self.requests.clone(),
        };
        let work = Works {
            requests: self.requests,
            view: self.view.clone(),
            lock: self.lock,
            clock: self.clock.clone(),
        };
        let health = Health {
            checks: self.checks.into(),
            view: self.view,
            clock: self.clock,
            render: self.render_metrics,
        };
        let materials = Materials {
            files: self.files.clone(),
        };
        OpenApiRouter::new()
            .merge(cad::routes().with_state(files.clone()))
            .merge(parts::routes().with_state(files))
            .merge(cad_list::routes().with_state(Catalogue { files: self.files }))
            .merge(materials::routes().with_state(materials))
            .merge(timeline::routes().with_state(story))
            .merge(media::routes().with_state(media))
            .merge(bulk::routes().with_state(bulk))
            .merge(work::routes().with_state(work))
            .merge(tokens::routes().with_state(Tokens {
                tokens: self.tokens,
                random: self.random,
            }))
            .merge(health::routes().with_state(health))
    }
}

/// What is the same for every answer: security headers, other origins, panics, problems.
fn with_outer_layers(router: Router, settings: &Settings, join_trace: JoinTrace) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let panicked = |_| {
        let problem = Problem::new(Code::Internal, "The service made a mistake.");
        axum::response::IntoResponse::into_response(problem)
    };
    let mut router = router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(middleware::from_fn_with_state(
            join_trace,
            request::outermost,
        ));
    if !settings.cors_origins.is_empty() {
        router = router.layer(cors(settings));
    }
    router
}

fn cors(settings: &Settings) -> CorsLayer {
    let request_id = HeaderName::from_static(REQUEST_ID);
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(settings.cors_origins.clone()))
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::RANGE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            request_id.clone(),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::CONTENT_DISPOSITION,
            header::CONTENT_RANGE,
            header::RETRY_AFTER,
            request_id,
        ])
}
