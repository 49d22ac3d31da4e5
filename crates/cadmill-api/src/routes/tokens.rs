//! `/api/tokens`: who may do what.

use std::sync::Arc;

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use cadmill_domain::access_token::{AccessToken, AccessTokens, NewAccessToken, TokenSecret};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    RandomBytes,
    dto::RoleDto,
    extract::{Json, TokenId, has_nul, is_plain},
    problem::{Code, Problem},
};

/// The longest name, in characters.
const MAX_NAME_BYTES: usize = 200;

/// What these routes work with.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) tokens: Arc<dyn AccessTokens>,
    pub(crate) random: RandomBytes,
}

pub(crate) fn routes() -> OpenApiRouter<Tokens> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccessToken)]
struct TokenDto {
    /// Its identity.
    id: Uuid,
    /// What people call it.
    name: String,
    /// What its bearer may do.
    role: RoleDto,
    /// The first characters of its secret.
    prefix: String,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// From when it is no longer good.
    expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute or so.
    last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    revoked_at: Option<DateTime<Utc>>,
}

impl From<AccessToken> for TokenDto {
    fn from(token: AccessToken) -> Self {
        Self {
            id: token.id.as_uuid(),
            name: token.name,
            role: token.role.into(),
            prefix: token.prefix,
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewAccessToken)]
#[serde(deny_unknown_fields)]
struct NewTokenDto {
    /// What people call it.
    #[schema(min_length = 1, max_length = 200, pattern = r"^[^\u0000]*$")]
    name: String,
    /// What its bearer may do.
    role: RoleDto,
    /// From when it is no longer good; for ever good if nothing is said.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

/// A new token with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedAccessToken)]
struct CreatedDto {
    #[serde(flatten)]
    token: TokenDto,
    /// The secret. It is shown this once, and kept by nobody.
    #[schema(pattern = "^cadmill_[0-9a-f]{64}$")]
    secret: String,
}

/// All tokens, in the order in which they were made. Revoked ones stay, so that people see what there
/// was.
#[utoipa::path(
    get, path = "/api/tokens", tag = "tokens", operation_id = "list_tokens",
    responses((status = 200, body = Vec<TokenDto>, description = "The tokens")),
    security(("token" = ["admin"])),
)]
async fn list(State(state): State<Tokens>) -> Result<Response, Problem> {
    let tokens = state.tokens.list().await?;
    let tokens: Vec<_> = tokens.into_iter().map(TokenDto::from).collect();
    Ok(axum::Json(tokens).into_response())
}

/// Makes a token. Its secret is shown this once.
#[utoipa::path(
    post, path = "/api/tokens", tag = "tokens", operation_id = "create_token",
    request_body = NewTokenDto,
    responses((status = 201, body = CreatedDto, description = "The token and its secret")),
    security(("token" = ["admin"])),
)]
async fn create(
    State(state): State<Tokens>,
    Json(new): Json<NewTokenDto>,
) -> Result<Response, Problem> {
    let letters = new.name.chars().count();
    if !(1..=MAX_NAME_BYTES).contains(&letters) || has_nul(&new.name) {
        let detail = "A name has 1 to 200 characters, none of them NUL.";
        return Err(Problem::new(Code::Invalid, detail).at("/name"));
    }
    if !new.expires_at.is_none_or(is_plain) {
        let detail = "Moments lie within the years 1 to 9999.";
        return Err(Problem::new(Code::Invalid, detail).at("/expires_at"));
    }
    let secret = TokenSecret::from_random((state.random)());
    let token = NewAccessToken::of(&secret, new.name, new.role.into(), new.expires_at);
    let token = state.tokens.create(token).await?;
    info!(token.id = %token.id, "A token of the role {} was made.", token.role);
    let created = CreatedDto {
        token: token.into(),
        secret: secret.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, axum::Json(created)).into_response())
}

/// Revokes a token for ever, from now on.
#[utoipa::path(
    delete, path = "/api/tokens/{id}", tag = "tokens", operation_id = "revoke_token",
    params(("id" = Uuid, Path, description = "The token")),
    responses((status = 204, description = "It is revoked")),
    security(("token" = ["admin"])),
)]
async fn revoke(State(state): State<Tokens>, TokenId(id): TokenId) -> Result<StatusCode, Problem> {
    if state.tokens.revoke(id).await? {
        info!(token.id = %id, "A token was revoked.");
        Ok(StatusCode::NO_CONTENT)
    } else {
        let detail = "There is no such token, or it was revoked before.";
        Err(Problem::new(Code::NotFound, detail))
    }
}
