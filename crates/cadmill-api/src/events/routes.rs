//! `/api/events`: what happens, as it happens, as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName},
    response::{IntoResponse, Sse, sse::Event},
};
use cadmill_domain::{CadFileId, pipeline_log::EventId, webhook::EventFilter};
use futures_util::StreamExt as _;
use serde::{Deserialize, Deserializer, de};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    body::{EventBody, EventName, filter},
    feed::{Feed, FollowError, Told, Wanted},
};
use crate::{
    extract::{Query, header_text},
    problem::{Code, Problem},
};

/// After which wait a client shall come again.
const RETRY: Duration = Duration::from_secs(2);
/// The same if the database is away.
const RETRY_AWAY: Duration = Duration::from_secs(5);
/// The greatest number of an event: what a JSON number holds exactly everywhere.
const GREATEST: u64 = (1 << 53) - 1;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(crate) fn routes() -> OpenApiRouter<Arc<Feed>> {
    OpenApiRouter::new().routes(routes!(follow))
}

/// Which events are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct FollowQuery {
    /// Only events behind this one, from the stored ones on; 0 for all. Without it, only what happens
    /// from now on.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    after: Option<u64>,
    /// Only events of this CAD file.
    cad_file_id: Option<Uuid>,
    /// Only these events, with commas between them.
    #[serde(default, deserialize_with = "comma_separated")]
    #[param(value_type = Option<Vec<EventName>>, style = Form, explode = false, min_items = 1)]
    event: Option<Vec<EventName>>,
}

/// Where a client goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(
    dead_code,
    reason = "it only documents the header, which is read by hand"
)]
struct FollowHeaders {
    /// The number of the event that the client read last; it goes before `after`.
    #[param(
        rename = "Last-Event-ID",
        required = false,
        minimum = 0,
        maximum = 9_007_199_254_740_991_u64
    )]
    last_event_id: u64,
}

/// An event of the stream.
#[derive(ToSchema)]
#[schema(as = ServerSentEvent)]
#[expect(dead_code, reason = "it only documents what `Sse` writes")]
struct SentDto {
    /// The number of the event.
    #[schema(pattern = "^[1-9][0-9]*$")]
    id: String,
    /// What happened.
    event: EventName,
    /// An `Event` in JSON.
    #[schema(content_media_type = "application/json")]
    data: String,
}

fn comma_separated<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Vec<EventName>>, D::Error> {
    let text = String::deserialize(text)?;
    let names = text.split(',').map(|name| {
        let name = de::value::StrDeserializer::<de::value::Error>::new(name);
        EventName::deserialize(name).map_err(de::Error::custom)
    });
    names.collect::<Result<_, _>>().map(Some)
}

/// What happens, as it happens.
///
/// Each event has its number as `id`, its name as `event` and an `Event` in JSON as `data`. A client
/// that is cut off comes again with the `id` that it read last as `Last-Event-ID`, and misses nothing;
/// browsers do so by themselves. An `id` without `data` only moves that position. A stream ends after
/// some minutes, when the database is away and when the service stops; clients are expected to come
/// again after the time that `retry` told.
#[utoipa::path(
    get, path = "/api/events", tag = "events", operation_id = "follow_events",
    params(FollowQuery, FollowHeaders),
    responses((status = 200, body = SentDto, content_type = "text/event-stream",
        description = "Server-sent events, of which the schema describes each")),
    security(("token" = ["viewer"])),
)]
async fn follow(
    State(feed): State<Arc<Feed>>,
    Query(query): Query<FollowQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let after = query.after.map(checked).transpose()?;
    let after = last_event_id(&headers)?.or(after);
    let wanted = Wanted {
        file: query.cad_file_id.map(CadFileId::from_uuid),
        events: query.event.map_or(EventFilter::All, filter),
    };
    let told = feed.follow(after, wanted).await?;
    let events = told.map(|told| Ok::<_, Infallible>(written(told)));
    // Proxies shall not wait for more before they pass on what is there.
    let headers = [(HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((headers, Sse::new(events)))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let Some(text) = header_text(headers, &LAST_EVENT_ID)? else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number| *number <= GREATEST);
    let number = number.ok_or_else(|| {
        Problem::new(
            Code::BadHeader,
            "`Last-Event-ID` is not the number of an event.",
        )
    })?;
    Ok(Some(EventId(number)))
}

fn checked(number: u64) -> Result<EventId, Problem> {
    if number <= GREATEST {
        Ok(EventId(number))
    } else {
        Err(Problem::new(
            Code::BadQuery,
            "`after`: there are no events with such a number.",
        ))
    }
}

fn written(told: Told) -> Event {
    match told {
        Told::Position(id) => Event::default().id(id.to_string()).retry(RETRY),
        Told::Away => Event::default()
            .comment("the database is away")
            .retry(RETRY_AWAY),
        Told::Event(event) => {
            let body = EventBody::from(event);
            let named = Event::default()
                .id(body.id.to_string())
                .event(body.event.as_str());
            // Plain structures can always be written.
            named.json_data(body).unwrap_or_default()
        }
    }
}

impl From<FollowError> for Problem {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Full => {
                Self::new(Code::TooManyFollowers, "As many follow as there may be.")
            }
            FollowError::Stopping => Self::new(Code::Stopping, "The service is about to end."),
            FollowError::Store(error) => error.into(),
        }
    }
}
