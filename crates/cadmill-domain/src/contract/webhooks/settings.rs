//! Webhooks themselves: how they are stored, changed and disabled.

use std::collections::BTreeSet;

use super::{add, append, claim};
use crate::{
    WebhookId,
    contract::deployment::Deployment,
    pipeline_log::StepEvent,
    webhook::{EventFilter, WebhookChange, WebhookSecret},
};

/// Each field is stored, and a change replaces only the fields that it names.
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

/// A disabled webhook gets no events, neither at once nor when it is enabled again.
pub async fn a_webhook_gets_events_while_it_is_enabled(deployment: &Deployment) {
    let file = deployment.add("bracket.step").await;
    let webhook = add(deployment, EventFilter::All).await;
    append(deployment, file, StepEvent::StepStart).await;
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
    append(deployment, file, StepEvent::StepDone).await;
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 0);
    assert_eq!(claim(deployment, 10).await, [], "nothing is sent");
    enable(true).await;
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 0);
    append(deployment, file, StepEvent::StepFailed).await;
    assert_eq!(deployment.webhooks.enqueue_events().await.unwrap(), 1);
    assert_eq!(
        claim(deployment, 10).await.len(),
        2,
        "what was enqueued is sent"
    );
}
