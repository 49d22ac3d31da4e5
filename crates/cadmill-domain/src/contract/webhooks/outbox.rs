//! The outbox: which deliveries are enqueued, listed and removed.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;

use super::{add, append, claim};
use crate::{
    Clock as _, WebhookId,
    contract::{deployment::Deployment, pipeline_log::an_event},
    pipeline_log::{EventId, StepEvent},
    webhook::{DeliveryClaim, DeliveryContent, EventFilter, Webhook},
};

/// Each delivery carries the whole event, in the order of the events.
pub async fn events_are_delivered_once_to_each_webhook_that_wants_them(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    append(deployment, file, StepEvent::StepDone).await;
    let all = add(deployment, EventFilter::All).await;
    deployment.later(1);
    let failures = EventFilter::Only(BTreeSet::from([StepEvent::StepFailed]));
    let failures = add(deployment, failures).await;
    let webhooks = &deployment.webhooks;
    assert_eq!(
        webhooks.enqueue_events().await.unwrap(),
        0,
        "that was before"
    );
    for event in [
        StepEvent::StepStart,
        StepEvent::StepFailed,
        StepEvent::StepDone,
    ] {
        append(deployment, file, event).await;
    }
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 4);
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 0, "each once");
    append(deployment, file, StepEvent::StepFailed).await;
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 2);

    let claims = claim(deployment, 100).await;
    let timeline = deployment.log.timeline(file).await.unwrap();
    let of = |webhook: &Webhook| {
        let mine = claims.iter().filter(|claim| claim.webhook == *webhook);
        let contents = mine.map(|claim| match &claim.content {
            DeliveryContent::Event(event) => event.clone(),
            DeliveryContent::Test(_) => panic!("no test was enqueued"),
        });
        contents.collect::<Vec<_>>()
    };
    assert_eq!(of(&all), timeline[1..]);
    assert_eq!(of(&failures), [timeline[2].clone(), timeline[4].clone()]);
}

/// Of several concurrent calls, each event is enqueued by one.
pub async fn enqueued_at_once_events_are_delivered_once(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let webhook = add(deployment, EventFilter::All).await;
    let appends = (0..20).map(async |number| {
        deployment.log.append(an_event(file)).await.unwrap();
        if number % 2 == 0 {
            deployment.webhooks.enqueue_events().await.unwrap()
        } else {
            0
        }
    });
    let mut enqueued: u64 = join_all(appends).await.into_iter().sum();
    deployment.followers_see(file).await;
    enqueued += deployment.webhooks.enqueue_events().await.unwrap();
    assert_eq!(enqueued, 20);
    let found = deployment
        .webhooks
        .deliveries(webhook.id, None, 100)
        .await
        .unwrap();
    let events: BTreeSet<_> = found.iter().filter_map(|delivery| delivery.event).collect();
    let timeline = deployment.log.timeline(file).await.unwrap();
    assert_eq!(events, timeline.iter().map(|event| event.id).collect());
    assert_eq!(found.len(), 20);
}

/// The payload arrives unchanged; an unknown webhook gets no test.
pub async fn a_test_is_delivered(deployment: &Deployment) {
    let webhook = add(deployment, EventFilter::Only(BTreeSet::new())).await;
    let payload = json!({"hello": "ü \"'", "n": [1, 2.5, null]});
    let id = deployment
        .webhooks
        .enqueue_test(webhook.id, payload.clone())
        .await;
    let id = id.unwrap().unwrap();
    let claims = claim(deployment, 10).await;
    let expected = DeliveryClaim {
        id,
        attempt: 1,
        webhook,
        content: DeliveryContent::Test(payload),
    };
    assert_eq!(claims, [expected]);
    let unknown = WebhookId::generate(&*deployment.clock);
    let none = deployment.webhooks.enqueue_test(unknown, json!(1)).await;
    assert_eq!(none.unwrap(), None);
}

/// Other deliveries stay.
pub async fn deliveries_go_with_their_webhook_and_their_file(deployment: &Deployment) {
    let webhooks = &deployment.webhooks;
    let [stays, goes] = [deployment.add("a").await, deployment.add("b").await];
    let first = add(deployment, EventFilter::All).await;
    deployment.later(1);
    let second = add(deployment, EventFilter::All).await;
    for file in [stays, goes] {
        append(deployment, file, StepEvent::StepDone).await;
    }
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 4);
    assert!(deployment.files.remove(goes).await.unwrap());
    let claims = claim(deployment, 10).await;
    assert_eq!(claims.len(), 2, "those of the file that is there");
    assert!(webhooks.remove(first.id).await.unwrap());
    assert!(!webhooks.remove(first.id).await.unwrap(), "only once");
    assert_eq!(webhooks.deliveries(first.id, None, 10).await.unwrap(), []);
    assert_eq!(
        webhooks
            .deliveries(second.id, None, 10)
            .await
            .unwrap()
            .len(),
        1
    );
    let of_first = claims.iter().find(|claim| claim.webhook.id == first.id);
    assert!(!webhooks.delivered(of_first.unwrap(), 200).await.unwrap());
    // The numbers of events are not used again.
    let last: EventId = deployment.log.last_event_id().await.unwrap();
    append(deployment, stays, StepEvent::StepFailed).await;
    assert!(deployment.log.last_event_id().await.unwrap() > last);
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 1);
}

/// Pending deliveries stay; the log lists the rest page by page.
pub async fn old_deliveries_are_purged(deployment: &Deployment) {
    let webhooks = &deployment.webhooks;
    let webhook = add(deployment, EventFilter::All).await;
    let mut ids = Vec::new();
    for number in 0..6 {
        let test = webhooks.enqueue_test(webhook.id, json!(number)).await;
        ids.push(test.unwrap().unwrap());
        if number < 5 && number != 2 {
            let claims = claim(deployment, 10).await;
            let mine = claims.iter().find(|claim| claim.id == ids[number]);
            assert!(webhooks.delivered(mine.unwrap(), 200).await.unwrap());
        }
        deployment.later(1);
    }
    ids.reverse();
    let pages = async |limit| {
        let (mut found, mut before) = (Vec::new(), None);
        while let page = webhooks
            .deliveries(webhook.id, before, limit)
            .await
            .unwrap()
            && !page.is_empty()
        {
            assert!(page.len() <= limit);
            before = page.last().map(|delivery| delivery.id);
            found.extend(page.into_iter().map(|delivery| delivery.id));
        }
        found
    };
    for limit in [1, 2, 6, 10] {
        assert_eq!(
            pages(limit).await,
            ids,
            "the newest first, pages of {limit}"
        );
    }
    let limit = deployment.clock.now() - TimeDelta::seconds(2);
    assert_eq!(webhooks.purge_deliveries(limit).await.unwrap(), 3);
    assert_eq!(
        pages(10).await,
        [ids[0], ids[1], ids[3]],
        "what is pending stays"
    );
    assert_eq!(webhooks.purge_deliveries(limit).await.unwrap(), 0);
}
