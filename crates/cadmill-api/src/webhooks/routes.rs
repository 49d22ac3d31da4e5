//! `/api/webhooks`: who is told what happens, and what came of it.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cadmill_domain::{
    Clock,
    webhook::{DeliveryId, NewWebhook, WebhookChange, WebhookSecret, Webhooks},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    dto::{
        DeliveriesDto, DeliveriesQuery, DeliveryDto, NewWebhookDto, TestDto, WebhookChangeDto,
        WebhookDto, WebhooksDto, checked_description, checked_events,
    },
    message,
    target::{TargetError, TargetPolicy},
};
use crate::{
    extract::{HookId, Json, Query},
    problem::{Code, Problem, ProblemBody},
};

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Hooks {
    pub(crate) webhooks: Arc<dyn Webhooks>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) targets: Arc<TargetPolicy>,
}

pub(crate) fn routes() -> OpenApiRouter<Hooks> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, remove))
        .routes(routes!(deliveries))
        .routes(routes!(test))
}

/// All webhooks.
#[utoipa::path(
    get, path = "/api/webhooks", tag = "webhooks", operation_id = "list_webhooks",
    responses((status = 200, body = WebhooksDto, description = "The webhooks, without their secrets")),
    security(("token" = ["admin"])),
)]
async fn list(State(state): State<Hooks>) -> Result<axum::Json<WebhooksDto>, Problem> {
    let webhooks = state.webhooks.list().await?;
    let webhooks = webhooks.into_iter().map(Into::into).collect();
    Ok(axum::Json(WebhooksDto { webhooks }))
}

/// Makes a webhook, which is told what happens from now on.
///
/// Deliveries are signed as Standard Webhooks (<https://www.standardwebhooks.com>) has it: headers
/// `webhook-id`, `webhook-timestamp` and `webhook-signature`, and a body `{"type", "timestamp",
/// "data"}`, where `type` is the name of the event and `data` an `Event`. Any status of 200 to 299
/// accepts it; otherwise it is tried again for some hours, not before `Retry-After` is over; 410
/// disables the webhook. The same delivery may come twice, with the same `webhook-id`.
#[utoipa::path(
    post, path = "/api/webhooks", tag = "webhooks", operation_id = "create_webhook",
    request_body = NewWebhookDto,
    responses(
        (status = 201, body = WebhookDto, description = "It is made; this is the only time that its secret is shown",
            headers(("Location" = String, description = "Its address"))),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "The URL leads to an address that is not public"),
    ),
    security(("token" = ["admin"])),
)]
async fn create(
    State(state): State<Hooks>,
    Json(new): Json<NewWebhookDto>,
) -> Result<impl IntoResponse, Problem> {
    let secret = new_secret();
    let new = NewWebhook {
        url: state.checked_url(&new.url)?,
        secret: secret.clone(),
        events: checked_events(new.events)?,
        description: checked_description(new.description)?,
    };
    let webhook = state.webhooks.create(new).await?;
    let location = [(header::LOCATION, format!("/api/webhooks/{}", webhook.id))];
    let body = WebhookDto::from(webhook).revealing(&secret);
    Ok((StatusCode::CREATED, location, axum::Json(body)))
}

/// A webhook.
#[utoipa::path(
    get, path = "/api/webhooks/{id}", tag = "webhooks", operation_id = "show_webhook",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 200, body = WebhookDto, description = "The webhook, without its secret")),
    security(("token" = ["admin"])),
)]
async fn show(
    State(state): State<Hooks>,
    HookId(id): HookId,
) -> Result<axum::Json<WebhookDto>, Problem> {
    let webhook = state.webhooks.get(id).await?.ok_or_else(missing)?;
    Ok(axum::Json(webhook.into()))
}

/// Changes a webhook.
#[utoipa::path(
    patch, path = "/api/webhooks/{id}", tag = "webhooks", operation_id = "change_webhook",
    params(("id" = Uuid, Path, description = "The webhook")),
    request_body = WebhookChangeDto,
    responses(
        (status = 200, body = WebhookDto, description = "As it is now, with its secret if that is new"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "The URL leads to an address that is not public"),
    ),
    security(("token" = ["admin"])),
)]
async fn change(
    State(state): State<Hooks>,
    HookId(id): HookId,
    Json(change): Json<WebhookChangeDto>,
) -> Result<axum::Json<WebhookDto>, Problem> {
    let secret = change.rotate_secret.then(new_secret);
    let change = WebhookChange {
        url: change.url.map(|url| state.checked_url(&url)).transpose()?,
        secret: secret.clone(),
        events: change.events.map(checked_events).transpose()?,
        description: change.description.map(checked_description).transpose()?,
        enabled: change.enabled,
    };
    let webhook = state.webhooks.update(id, change).await?;
    let body = WebhookDto::from(webhook.ok_or_else(missing)?);
    Ok(axum::Json(match &secret {
        Some(secret) => body.revealing(secret),
        None => body,
    }))
}

/// Removes a webhook with its deliveries.
#[utoipa::path(
    delete, path = "/api/webhooks/{id}", tag = "webhooks", operation_id = "remove_webhook",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses((status = 204, description = "It is gone")),
    security(("token" = ["admin"])),
)]
async fn remove(State(state): State<Hooks>, HookId(id): HookId) -> Result<StatusCode, Problem> {
    if state.webhooks.remove(id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing())
    }
}

/// What was delivered, what was not, and why.
#[utoipa::path(
    get, path = "/api/webhooks/{id}/deliveries", tag = "webhooks", operation_id = "list_deliveries",
    params(("id" = Uuid, Path, description = "The webhook"), DeliveriesQuery),
    responses((status = 200, body = DeliveriesDto, description = "A page of deliveries, the newest first")),
    security(("token" = ["admin"])),
)]
async fn deliveries(
    State(state): State<Hooks>,
    HookId(id): HookId,
    Query(query): Query<DeliveriesQuery>,
) -> Result<axum::Json<DeliveriesDto>, Problem> {
    let (before, limit) = query.checked()?;
    state.webhooks.get(id).await?.ok_or_else(missing)?;
    let before = before.map(DeliveryId);
    let mut found = state.webhooks.deliveries(id, before, limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let deliveries: Vec<DeliveryDto> = found.into_iter().map(Into::into).collect();
    let last = deliveries.last().map(|delivery| delivery.id);
    let next = last.filter(|_| has_more);
    Ok(axum::Json(DeliveriesDto { deliveries, next }))
}

/// Sends something of the type `test`, to see whether it arrives.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/test", tag = "webhooks", operation_id = "test_webhook",
    params(("id" = Uuid, Path, description = "The webhook")),
    responses(
        (status = 202, body = TestDto, description = "It is on its way; its delivery tells what came of it"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json",
            description = "The webhook is disabled"),
    ),
    security(("token" = ["admin"])),
)]
async fn test(
    State(state): State<Hooks>,
    HookId(id): HookId,
) -> Result<impl IntoResponse, Problem> {
    let webhook = state.webhooks.get(id).await?.ok_or_else(missing)?;
    if !webhook.enabled {
        let detail = "Nothing is delivered to a webhook that is disabled.";
        return Err(Problem::new(Code::WebhookDisabled, detail));
    }
    let message = message::test(id, state.clock.now());
    let delivery = state.webhooks.enqueue_test(id, message).await?;
    let delivery_id = delivery.ok_or_else(missing)?.0;
    Ok((StatusCode::ACCEPTED, axum::Json(TestDto { delivery_id })))
}

impl Hooks {
    /// The URL, normalised, if deliveries may go there.
    fn checked_url(&self, text: &str) -> Result<String, Problem> {
        // What URLs tolerate beyond that would be shown in another form than it was sent.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic())
            && (text.starts_with("http://") || text.starts_with("https://"));
        let checked = self.targets.check(text);
        match checked {
            Ok(url) if is_plain => Ok(url.into()),
            Err(error @ TargetError::NotPublic) => Err(Problem::new(
                Code::TargetNotPublic,
                cadmill_domain::sentence(&error),
            )
            .at("/url")),
            Err(error) => {
                Err(Problem::new(Code::Invalid, cadmill_domain::sentence(&error)).at("/url"))
            }
            Ok(_) => {
                let detail =
                    "The URL must begin with `http://` or `https://` and hold visible ASCII only.";
                Err(Problem::new(Code::Invalid, detail).at("/url"))
            }
        }
    }
}

fn missing() -> Problem {
    Problem::not_found("webhook")
}

/// A secret of 32 bytes that nobody can guess.
fn new_secret() -> WebhookSecret {
    let bytes: [u8; 32] = rand::random();
    WebhookSecret::new(format!("whsec_{}", STANDARD.encode(bytes)))
}
