//! Claims of deliveries, and the outcomes that are recorded under them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;

use super::{LEASE, add, claim};
use crate::{
    Clock as _, WebhookId,
    contract::deployment::Deployment,
    webhook::{DeliveryFailure, DeliveryRoom, DeliveryState, EventFilter},
};

/// After the lease the delivery is due again, since its owner may have died.
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

/// Overdue deliveries of one webhook do not hold up the others.
pub async fn a_webhook_gets_no_more_than_its_limit(deployment: &Deployment) {
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

/// An older claim changes nothing.
pub async fn an_outcome_is_recorded_under_the_newest_claim(deployment: &Deployment) {
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
