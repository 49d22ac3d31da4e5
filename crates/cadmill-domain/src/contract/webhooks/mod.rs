//! What every [`Webhooks`](crate::webhook::Webhooks) must do.

mod claims;
mod outbox;
mod settings;

use chrono::TimeDelta;

pub use self::{claims::*, outbox::*, settings::*};
use crate::{
    CadFileId,
    contract::{deployment::Deployment, pipeline_log::an_event},
    pipeline_log::{NewPipelineEvent, StepEvent},
    webhook::{DeliveryClaim, DeliveryRoom, EventFilter, NewWebhook, Webhook, WebhookSecret},
};

suite! { $ webhooks, webhooks_contract:
    a_webhook_is_kept_and_changed
    events_are_delivered_once_to_each_webhook_that_wants_them
    enqueued_at_once_events_are_delivered_once
    a_webhook_gets_events_while_it_is_enabled
    a_delivery_is_claimed_by_one_until_its_lease_is_over
    a_webhook_gets_no_more_than_its_limit
    an_outcome_is_recorded_under_the_newest_claim
    a_test_is_delivered
    deliveries_go_with_their_webhook_and_their_file
    old_deliveries_are_purged
}

pub(super) const LEASE: TimeDelta = TimeDelta::seconds(30);

pub(super) async fn add(deployment: &Deployment, events: EventFilter) -> Webhook {
    let new = NewWebhook {
        url: "https://example.org/a".to_owned(),
        secret: WebhookSecret::new("s3cret"),
        events,
        description: "it's \"mine\" ü".to_owned(),
    };
    let made = deployment.webhooks.create(new.clone()).await.unwrap();
    assert!(made.enabled);
    assert_eq!((&made.url, &made.secret), (&new.url, &new.secret));
    assert_eq!(
        (&made.events, &made.description),
        (&new.events, &new.description)
    );
    made
}

pub(super) async fn append(deployment: &Deployment, file: CadFileId, event: StepEvent) {
    let event = NewPipelineEvent {
        event,
        ..an_event(file)
    };
    deployment.log.append(event).await.unwrap();
    deployment.followers_see(file).await;
}

pub(super) async fn claim(deployment: &Deployment, limit: usize) -> Vec<DeliveryClaim> {
    let room = DeliveryRoom::of_any(limit);
    let claims = deployment.webhooks.claim_deliveries(LEASE, &room).await;
    let claims = claims.unwrap();
    assert!(claims.len() <= limit, "{} of {limit}", claims.len());
    claims
}
