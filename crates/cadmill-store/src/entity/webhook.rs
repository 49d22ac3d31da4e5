//! The table `webhook`.

use cadmill_domain::{
    StoreError, WebhookId,
    pipeline_log::StepEvent,
    webhook::{EventFilter, Webhook, WebhookSecret},
};
use sea_orm::{entity::prelude::*, prelude::ChronoDateTimeUtc};

use super::pipeline_event::step_event;

/// One row.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    #[sea_orm(column_type = "Text")]
    pub(crate) url: String,
    #[sea_orm(column_type = "Text")]
    pub(crate) secret: String,
    #[sea_orm(column_type = "Text", nullable)]
    pub(crate) events: Option<String>,
    #[sea_orm(column_type = "Text")]
    pub(crate) description: String,
    pub(crate) enabled: bool,
    pub(crate) last_event_id: i64,
    pub(crate) created_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Webhook {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let events = match row.events {
            None => EventFilter::All,
            Some(names) => {
                let names = names.split(',').filter(|name| !name.is_empty());
                EventFilter::Only(names.map(step_event).collect::<Result<_, _>>()?)
            }
        };
        Ok(Self {
            id: WebhookId::from_uuid(row.id),
            url: row.url,
            secret: WebhookSecret::new(row.secret),
            events,
            description: row.description,
            enabled: row.enabled,
            created_at: row.created_at,
        })
    }
}

/// The names of the wanted events, each between commas; nothing for all.
pub(crate) fn names(events: &EventFilter) -> Option<String> {
    match events {
        EventFilter::All => None,
        EventFilter::Only(events) => {
            let names: String = events.iter().map(|event| name_of(*event)).collect();
            Some(format!(",{names}"))
        }
    }
}

fn name_of(event: StepEvent) -> String {
    format!("{},", event.as_str())
}
