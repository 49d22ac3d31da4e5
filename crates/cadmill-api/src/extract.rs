//! What handlers take out of a request. Whatever does not fit is a problem.

use std::{fmt, marker::PhantomData, str::FromStr};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, OptionalFromRequest, RawPathParams, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use cadmill_domain::{
    AccessTokenId, CadFileId, MediaAssetId, MediaKind, Moment, WebhookId, ledger::Requester,
};
use chrono::Datelike as _;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_path_to_error::{Path, Segment};
use uuid::Uuid;

use crate::problem::{Code, Problem};

/// The text of a parameter of the path.
pub(crate) async fn path_text(parts: &mut Parts, name: &str) -> Result<String, Problem> {
    let bad = || {
        Problem::new(
            Code::BadPath,
            format!("`{name}` in the path cannot be read."),
        )
    };
    let state = &();
    let params = RawPathParams::from_request_parts(parts, state).await;
    let params = params.map_err(|_| bad())?;
    let found = params.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.to_owned()).ok_or_else(bad)
}

/// The UUID with this text. Only the form with hyphens is one, so that each has one address.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::from_str(text).ok()?;
    (text.len() == 36).then_some(uuid)
}

macro_rules! path_id {
    ($(#[$doc:meta])* $name:ident, $id:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name(pub(crate) $id);

        impl<S: Sync> FromRequestParts<S> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
                let text = path_text(parts, "id").await?;
                let uuid = uuid(&text).ok_or_else(|| {
                    Problem::new(Code::BadPath, "The id in the path is not a UUID.")
                })?;
                Ok(Self($id::from_uuid(uuid)))
            }
        }
    };
}

path_id! {
    /// The CAD file that the path names.
    FileId, CadFileId
}
path_id! {
    /// The media asset that the path names.
    AssetId, MediaAssetId
}
path_id! {
    /// The access token that the path names.
    TokenId, AccessTokenId
}
path_id! {
    /// The webhook that the path names.
    HookId, WebhookId
}

/// The kind of medium that the path names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind(pub(crate) MediaKind);

impl<S: Sync> FromRequestParts<S> for Kind {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let text = path_text(parts, "kind").await?;
        let kind = MediaKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text);
        kind.map(Self).ok_or_else(|| {
            let detail = "The kind in the path is none of `gltf_geometry`, `usd_master`, `web_glb` and `thumbnail`.";
            Problem::new(Code::BadPath, detail)
        })
    }
}

/// For whom work that is asked for is done: the token, or a project of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct By(pub(crate) Requester);

/// The header that names a project.
const PROJECT: header::HeaderName = header::HeaderName::from_static("x-cadmill-project");
/// How many characters the key of a project may have.
const MAX_PROJECT_KEY: usize = 128;

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // A service that asks for no tokens has one requester.
        let token = parts.extensions.get::<Requester>().copied();
        let token = token.unwrap_or_default();
        let Some(key) = header_text(&parts.headers, &PROJECT)? else {
            return Ok(Self(token));
        };
        let is_sound = (1..=MAX_PROJECT_KEY).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sound {
            Ok(Self(token.project(key)))
        } else {
            let detail =
                format!("`X-Cadmill-Project` has 1 to {MAX_PROJECT_KEY} visible ASCII characters.");
            Err(Problem::new(Code::BadHeader, detail))
        }
    }
}

/// The query.
#[derive(Debug, Clone)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = serde_urlencoded::Deserializer::new(form_pairs(query));
        let found = serde_path_to_error::deserialize(pairs);
        found.map(Self).map_err(|error| {
            let path = error.path().to_string();
            Problem::new(Code::BadQuery, format!("`{path}`: {}.", error.into_inner()))
        })
    }
}

fn form_pairs(query: &str) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.as_bytes())
}

/// A body of JSON.
#[derive(Debug, Clone)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body must be `application/json`.";
            return Err(Problem::new(Code::MediaType, detail));
        }
        let Object(value) = parse(&bytes(request, state).await?)?;
        Ok(Self(value))
    }
}

/// A body of JSON, or none.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Problem> {
        let is_json = is_json(request.headers());
        let has_type = request.headers().contains_key(header::CONTENT_TYPE);
        let bytes = bytes(request, state).await?;
        if bytes.is_empty() && (is_json || !has_type) {
            return Ok(None);
        }
        if !is_json {
            let detail = "The body must be `application/json`.";
            return Err(Problem::new(Code::MediaType, detail));
        }
        let value: Option<Object<T>> = parse(&bytes)?;
        Ok(value.map(|Object(value)| Self(value)))
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let bytes = Bytes::from_request(request, state).await;
    bytes.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::of_status(StatusCode::PAYLOAD_TOO_LARGE),
        _ => Problem::new(Code::BadRequest, "The body ended too early."),
    })
}

/// The media type that a request says its body has, without parameters, in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).as_deref() == Some("application/json")
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        let detail = format!("{error}.");
        if error.is_data() {
            Problem::new(Code::Invalid, detail).at(pointer)
        } else {
            Problem::new(Code::BadJson, detail)
        }
    })?;
    let end = json
        .end()
        .map_err(|error| Problem::new(Code::BadJson, format!("{error}.")));
    end.map(|()| value)
}

/// What is read from an object only. Serde would take an array for a structure, too.
#[derive(Debug, Clone)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FromMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for FromMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(FromMap(PhantomData))
    }
}

/// A path of serde as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => escaped(key),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&step);
    }
    pointer
}

/// A name as a step of a JSON pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The value of a header as text, if it is sent.
pub(crate) fn header_text<'a>(
    headers: &'a HeaderMap,
    name: &header::HeaderName,
) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str();
    text.map(Some).map_err(|_| {
        Problem::new(
            Code::BadHeader,
            format!("The header `{name}` is not plain text."),
        )
    })
}

/// Whether a text holds what PostgreSQL cannot store.
pub(crate) fn has_nul(text: &str) -> bool {
    text.contains('\0')
}

/// What every database can store as a moment.
pub(crate) fn is_plain(moment: Moment) -> bool {
    (1..=9999).contains(&moment.year())
}
