//! What every [`Webhooks`](crate::Webhooks) must do.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;

use crate::{
    CadFileId, Clock as _, DeliveryClaim, DeliveryContent, DeliveryFailure, DeliveryRoom,
    DeliveryState, EventFilter, EventId, NewPipelineEvent, NewWebhook, StepEvent, Webhook,
    WebhookChange, WebhookId, WebhookSecret,
    contract::{deployment::Deployment, pipeline_log::an_event},
};

suite! { $ webhooks, webhooks_contract:
    a_webhook_is_kept_and_changed
    events_are_delivered_once_to_who_wants_them
    enqueued_at_once_events_are_delivered_once
    a_webhook_is_told_what_happens_while_it_is_enabled
    a_delivery_is_claimed_by_one_until_its_lease_is_over
    a_webhook_gets_no_more_than_its_room
    a_delivery_is_noted_under_its_newest_claim
    a_test_is_delivered
    deliveries_go_with_their_webhook_and_their_file
    old_deliveries_are_forgotten
}

const LEASE: TimeDelta = TimeDelta::seconds(30);

/// Field by field.
pub async fn a_webhook_is_kept_and_changed(deployment: &Deployment) {
    let webhooks = &deployment.webhooks;
    let first = add(deployment, EventFilter::All).await;
    deployment.later(1);
    let only = EventFilter::Only(BTreeSet::from([StepEvent::StepFailed, StepEvent::StepDone]));
    let second = add(deployment, only).await;
    deployment.later(1);
    let none = add(deployment, EventFilter::Only(BTreeSet::new())).await;
    let all = [first.clone(), second.clone(), none];
    assert_eq!(webhooks.list().await.unwrap(), all);
    assert_eq!(webhooks.get(second.id).await.unwrap(), Some(second.clone()));

    let change = WebhookChange {
        url: Some("https://example.org/b?x='\"".to_owned()),
        secret: Some(WebhookSecret::new("other")),
        events: Some(EventFilter::Only(BTreeSet::from([StepEvent::StepStart]))),
        description: Some(String::new()),
        enabled: Some(false),
    };
    let mut expected = first.clone();
    change.clone().apply(&mut expected);
    let changed = webhooks.update(first.id, change).await.unwrap();
    assert_eq!(changed, Some(expected.clone()));
    let nothing = webhooks.update(first.id, WebhookChange::default()).await;
    assert_eq!(
        nothing.unwrap(),
        Some(expected.clone()),
        "nothing is changed"
    );
    assert_eq!(webhooks.get(first.id).await.unwrap(), Some(expected));
    assert_eq!(webhooks.get(second.id).await.unwrap(), Some(second));

    let unknown = WebhookId::generate(&*deployment.clock);
    assert_eq!(webhooks.get(unknown).await.unwrap(), None);
    let change = WebhookChange::default();
    assert_eq!(webhooks.update(unknown, change).await.unwrap(), None);
    assert!(!webhooks.remove(unknown).await.unwrap());
    let text = format!("{:?}", all[0]);
    assert!(!text.contains("s3cret"), "{text}");
}

/// Each event, whole, in its order.
pub async fn events_are_delivered_once_to_who_wants_them(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    tell(deployment, file, StepEvent::StepDone).await;
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
        tell(deployment, file, event).await;
    }
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 4);
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 0, "each once");
    tell(deployment, file, StepEvent::StepFailed).await;
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 2);

    let claims = claim(deployment, 100).await;
    let told = deployment.log.timeline(file).await.unwrap();
    let of = |webhook: &Webhook| {
        let mine = claims.iter().filter(|claim| claim.webhook == *webhook);
        let contents = mine.map(|claim| match &claim.content {
            DeliveryContent::Event(event) => event.clone(),
            DeliveryContent::Test(_) => panic!("nobody tests"),
        });
        contents.collect::<Vec<_>>()
    };
    assert_eq!(of(&all), told[1..]);
    assert_eq!(of(&failures), [told[2].clone(), told[4].clone()]);
}

/// Whoever comes second finds nothing left.
pub async fn enqueued_at_once_events_are_delivered_once(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let webhook = add(deployment, EventFilter::All).await;
    let told = (0..20).map(async |number| {
        deployment.log.append(an_event(file)).await.unwrap();
        if number % 2 == 0 {
            deployment.webhooks.enqueue_events().await.unwrap()
        } else {
            0
        }
    });
    let mut enqueued: u64 = join_all(told).await.into_iter().sum();
    deployment.followers_see(file).await;
    enqueued += deployment.webhooks.enqueue_events().await.unwrap();
    assert_eq!(enqueued, 20);
    let found = deployment
        .webhooks
        .deliveries(webhook.id, None, 100)
        .await
        .unwrap();
    let events: BTreeSet<_> = found.iter().filter_map(|delivery| delivery.event).collect();
    let told = deployment.log.timeline(file).await.unwrap();
    assert_eq!(events, told.iter().map(|event| event.id).collect());
    assert_eq!(found.len(), 20);
}

/// Not what happened while it was not, and nothing is sent then.
pub async fn a_webhook_is_told_what_happens_while_it_is_enabled(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let webhook = add(deployment, EventFilter::All).await;
    tell(deployment, file, StepEvent::StepStart).await;
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 1);
    let enable = async |enabled| {
        let change = WebhookChange {
            enabled: Some(enabled),
            ..WebhookChange::default()
        };
        deployment
            .webhooks
            .update(webhook.id, change)
            .await
            .unwrap();
    };
    enable(false).await;
    tell(deployment, file, StepEvent::StepDone).await;
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 0);
    assert_eq!(claim(deployment, 10).await, [], "nothing is sent");
    enable(true).await;
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 0);
    tell(deployment, file, StepEvent::StepFailed).await;
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 1);
    assert_eq!(
        claim(deployment, 10).await.len(),
        2,
        "what was enqueued is sent"
    );
}

/// Then it is due again: whoever had it may be dead.
pub async fn a_delivery_is_claimed_by_one_until_its_lease_is_over(deployment: &Deployment) {
    let webhook = add(deployment, EventFilter::All).await;
    for number in 0..12 {
        let payload = json!({ "number": number });
        let test = deployment.webhooks.enqueue_test(webhook.id, payload).await;
        test.unwrap().unwrap();
    }
    assert_eq!(claim(deployment, 0).await, []);
    let claims = (0..5).map(|_| claim(deployment, 3));
    let claims: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    assert!(claims.len() <= 12, "each for one: {}", claims.len());
    let mut rest = claim(deployment, 100).await;
    rest.extend(claims);
    let ids: BTreeSet<_> = rest.iter().map(|claim| claim.id).collect();
    assert_eq!((ids.len(), rest.len()), (12, 12), "each for one");
    assert!(rest.iter().all(|claim| claim.attempt == 1));
    assert_eq!(claim(deployment, 100).await, []);
    deployment.clock.advance(LEASE);
    let again = claim(deployment, 100).await;
    assert_eq!(again.len(), 12, "the leases are over");
    assert!(again.iter().all(|claim| claim.attempt == 2));
}

/// However long its own have been due; the others are not held up.
pub async fn a_webhook_gets_no_more_than_its_room(deployment: &Deployment) {
    let mut of = Vec::new();
    for _ in 0..4 {
        let webhook = add(deployment, EventFilter::All).await;
        for number in 0..5 {
            let payload = json!({ "number": number });
            let test = deployment.webhooks.enqueue_test(webhook.id, payload).await;
            test.unwrap().unwrap();
        }
        of.push(webhook.id);
        deployment.later(1);
    }
    let claimed = async |all, but: &[(WebhookId, usize)]| {
        let room = DeliveryRoom {
            all,
            each: 2,
            but: but.iter().copied().collect(),
        };
        let claims = deployment.webhooks.claim_deliveries(LEASE, &room).await;
        let claims = claims.unwrap();
        assert!(claims.is_sorted_by_key(|claim| claim.id));
        of.iter()
            .map(|id| {
                claims
                    .iter()
                    .filter(|claim| claim.webhook.id == *id)
                    .count()
            })
            .collect::<Vec<_>>()
    };
    let but = [(of[0], 1), (of[1], 0)];
    assert_eq!(claimed(100, &but).await, [1, 0, 2, 2]);
    assert_eq!(claimed(5, &[]).await, [2, 2, 1, 0], "the longest due first");
    assert_eq!(claimed(100, &[]).await, [2, 2, 2, 2]);
    assert_eq!(claimed(100, &[(of[1], 9)]).await, [0, 1, 0, 1]);
    assert_eq!(
        claimed(100, &[]).await,
        [0, 0, 0, 0],
        "each was claimed once"
    );
}

/// An older one changes nothing.
pub async fn a_delivery_is_noted_under_its_newest_claim(deployment: &Deployment) {
    let webhooks = &deployment.webhooks;
    let webhook = add(deployment, EventFilter::All).await;
    let id = webhooks
        .enqueue_test(webhook.id, json!(1))
        .await
        .unwrap()
        .unwrap();
    let log = async || webhooks.deliveries(webhook.id, None, 10).await.unwrap();
    let made = deployment.clock.now();
    let [first] = claim(deployment, 10).await.try_into().unwrap();
    deployment.clock.advance(LEASE);
    let [second] = claim(deployment, 10).await.try_into().unwrap();
    let retry_at = deployment.clock.now() + TimeDelta::minutes(5);
    let failure = |retry_at| DeliveryFailure {
        status: Some(503),
        error: "it's \"away\"".to_owned(),
        retry_at,
    };
    let before = log().await;
    assert!(
        !webhooks.delivered(&first, 200).await.unwrap(),
        "it is too late"
    );
    assert!(
        !webhooks.failed(&first, &failure(None)).await.unwrap(),
        "it is too late"
    );
    assert_eq!(log().await, before);
    assert!(
        webhooks
            .failed(&second, &failure(Some(retry_at)))
            .await
            .unwrap()
    );
    let [noted] = log().await.try_into().unwrap();
    assert_eq!((noted.id, noted.event, noted.attempts), (id, None, 2));
    assert_eq!((noted.created_at, noted.next_attempt_at), (made, retry_at));
    assert_eq!(noted.attempted_at, Some(deployment.clock.now()));
    assert_eq!(
        (noted.state, noted.status),
        (DeliveryState::Pending, Some(503))
    );
    assert_eq!(noted.error.as_deref(), Some("it's \"away\""));
    assert_eq!(claim(deployment, 10).await, [], "not yet");
    deployment.clock.advance(TimeDelta::minutes(5));
    let [third] = claim(deployment, 10).await.try_into().unwrap();
    assert!(webhooks.delivered(&third, 204).await.unwrap());
    let [noted] = log().await.try_into().unwrap();
    assert_eq!(
        (noted.state, noted.status, noted.error),
        (DeliveryState::Delivered, Some(204), None)
    );
    assert!(
        !webhooks.delivered(&third, 200).await.unwrap(),
        "it is closed"
    );
    deployment.clock.advance(TimeDelta::hours(1));
    assert_eq!(claim(deployment, 10).await, [], "it is done");

    webhooks
        .enqueue_test(webhook.id, json!(2))
        .await
        .unwrap()
        .unwrap();
    let [given_up] = claim(deployment, 10).await.try_into().unwrap();
    assert!(webhooks.failed(&given_up, &failure(None)).await.unwrap());
    deployment.clock.advance(TimeDelta::hours(1));
    assert_eq!(claim(deployment, 10).await, [], "it is given up");
    assert_eq!(log().await[0].state, DeliveryState::Failed);
}

/// What was said, and only to a webhook that is there.
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

/// And nothing else.
pub async fn deliveries_go_with_their_webhook_and_their_file(deployment: &Deployment) {
    let webhooks = &deployment.webhooks;
    let [stays, goes] = [deployment.add("a").await, deployment.add("b").await];
    let first = add(deployment, EventFilter::All).await;
    deployment.later(1);
    let second = add(deployment, EventFilter::All).await;
    for file in [stays, goes] {
        tell(deployment, file, StepEvent::StepDone).await;
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
    tell(deployment, stays, StepEvent::StepFailed).await;
    assert!(deployment.log.last_event_id().await.unwrap() > last);
    assert_eq!(webhooks.enqueue_events().await.unwrap(), 1);
}

/// Unless they are to be sent yet; the rest is told page by page.
pub async fn old_deliveries_are_forgotten(deployment: &Deployment) {
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

async fn add(deployment: &Deployment, events: EventFilter) -> Webhook {
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

async fn tell(deployment: &Deployment, file: CadFileId, event: StepEvent) {
    let event = NewPipelineEvent {
        event,
        ..an_event(file)
    };
    deployment.log.append(event).await.unwrap();
    deployment.followers_see(file).await;
}

async fn claim(deployment: &Deployment, limit: usize) -> Vec<DeliveryClaim> {
    let room = DeliveryRoom::of_any(limit);
    let claims = deployment.webhooks.claim_deliveries(LEASE, &room).await;
    let claims = claims.unwrap();
    assert!(claims.len() <= limit, "{} of {limit}", claims.len());
    claims
}
