//! `/healthz`, `/readyz`, `/metrics`: how the service is.

use std::{fmt, fmt::Write as _, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use cadmill_domain::{
    Clock, FailureCode, HealthCheck, Moment,
    ledger::{Count, LedgerView, Priority, QueueDepth},
    sentence,
};
use futures_util::future::join_all;
use serde::Serialize;
use tracing::warn;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    RenderMetrics,
    problem::{Code, Problem},
};

/// What takes longer does not work.
const CHECK_TIME: Duration = Duration::from_secs(2);
/// The text format of Prometheus, which its exposition format names so.
pub(crate) const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// What these routes work with.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) checks: Arc<[Arc<dyn HealthCheck>]>,
    pub(crate) view: Arc<dyn LedgerView>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) render: RenderMetrics,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}

pub(crate) fn routes() -> OpenApiRouter<Health> {
    OpenApiRouter::new()
        .routes(routes!(healthz))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
}

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
struct HealthDto {
    /// `ok`.
    status: &'static str,
    /// What was checked.
    checks: Vec<&'static str>,
}

/// Whether the process runs.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "healthz",
    responses((status = 200, body = HealthDto, description = "It runs")),
    security(),
)]
async fn healthz() -> Json<HealthDto> {
    Json(HealthDto {
        status: "ok",
        checks: Vec::new(),
    })
}

/// Whether all that is needed works: each is checked for at most 2 s.
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "readyz",
    responses(
        (status = 200, body = HealthDto, description = "It works"),
        (status = 503, body = crate::problem::ProblemBody, content_type = "application/problem+json", description = "Something does not work; it is named", headers(("Retry-After" = u64, description = "After how many seconds to try again"))),
    ),
    security(),
)]
async fn readyz(State(state): State<Health>) -> Result<Json<HealthDto>, Problem> {
    let checks = state.checks.iter().map(|check| works(&**check));
    let results = join_all(checks).await;
    let named = state.checks.iter().map(|check| check.name());
    let failing = named.clone().zip(results).filter_map(|(name, works)| {
        // The details are in the log, since everybody may ask here.
        Some(match works.err()? {
            Some(code) => format!("{name} ({code}): {}", sentence_of(code)),
            None => format!("{name}: The check took too long."),
        })
    });
    let failing: Vec<_> = failing.collect();
    if failing.is_empty() {
        return Ok(Json(HealthDto {
            status: "ok",
            checks: named.collect(),
        }));
    }
    let detail = failing.join(" ");
    Err(Problem::new(Code::NotReady, detail))
}

/// What a failed check means. The catalogue's sentences for these two are about work that failed.
const fn sentence_of(code: FailureCode) -> &'static str {
    match code {
        FailureCode::Storage => Code::StorageAway.title(),
        FailureCode::LockLost => Code::LockAway.title(),
        code => code.sentence(),
    }
}

/// Whether it works, and if it failed by a code, which.
async fn works(check: &dyn HealthCheck) -> Result<(), Option<FailureCode>> {
    let name = check.name();
    match tokio::time::timeout(CHECK_TIME, check.check()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => {
            warn!(
                check.name = name,
                error = sentence(&failure),
                "A check failed."
            );
            Err(Some(failure.code))
        }
        Err(_) => {
            warn!(check.name = name, "A check took too long.");
            Err(None)
        }
    }
}

/// The metrics of the process and of the queue, as Prometheus reads them.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses((status = 200, body = String, content_type = "text/plain", description = "The metrics")),
    security(("token" = ["viewer"])),
)]
async fn metrics(State(state): State<Health>) -> Result<Response, Problem> {
    let depths = state.view.queue_depths().await?;
    let counts = state.view.stats().await?;
    let mut text = (state.render)();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&gauges(&depths, &counts, state.clock.now()));
    Ok(([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response())
}

/// The queue and the ledger as gauges. Kinds, states and priorities are plain words, so nothing need be
/// escaped.
fn gauges(depths: &[QueueDepth], counts: &[Count], now: Moment) -> String {
    let mut text = String::new();
    let mut line = |line: fmt::Arguments<'_>| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{line}");
    };
    line(format_args!(
        "# HELP cadmill_queue_depth How much work waits."
    ));
    line(format_args!("# TYPE cadmill_queue_depth gauge"));
    for QueueDepth {
        kind,
        priority,
        rows,
        ..
    } in depths
    {
        let priority = priority_name(*priority);
        line(format_args!(
            "cadmill_queue_depth{{kind=\"{kind}\",priority=\"{priority}\"}} {rows}"
        ));
    }
    line(format_args!(
        "# HELP cadmill_queue_oldest_age_seconds For how long the oldest work waits."
    ));
    line(format_args!(
        "# TYPE cadmill_queue_oldest_age_seconds gauge"
    ));
    for QueueDepth {
        kind,
        priority,
        oldest,
        ..
    } in depths
    {
        let Some(oldest) = oldest else { continue };
        let age = (now - *oldest).num_milliseconds().max(0) as f64 / 1000.0;
        let priority = priority_name(*priority);
        line(format_args!(
            "cadmill_queue_oldest_age_seconds{{kind=\"{kind}\",priority=\"{priority}\"}} {age}"
        ));
    }
    line(format_args!(
        "# HELP cadmill_ledger_rows How many rows of the ledger are in each state."
    ));
    line(format_args!("# TYPE cadmill_ledger_rows gauge"));
    for Count {
        kind, state, rows, ..
    } in counts
    {
        let state = state.as_str();
        line(format_args!(
            "cadmill_ledger_rows{{kind=\"{kind}\",state=\"{state}\"}} {rows}"
        ));
    }
    text
}

const fn priority_name(priority: Priority) -> &'static str {
    match priority {
        Priority::Bulk => "bulk",
        Priority::Asked => "asked",
        Priority::Upload => "upload",
    }
}
