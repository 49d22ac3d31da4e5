//! Receivers that do not answer, and those that must not wait for them.

use std::{sync::Arc, time::Duration};

use cadmill_api::{DeliverySettings, WebhookClient};
use cadmill_domain::{fakes::ManualClock, webhook::DeliveryState};

use crate::{
    post::{Post, here, number, until, webhook_client},
    receiver::Receiver,
};

#[tokio::test]
async fn one_that_never_answers_holds_up_no_other() {
    let DeliverySettings {
        parallel,
        parallel_each,
        ..
    } = DeliverySettings::default();
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let mut silent = Receiver::answering((0..parallel).map(|_| None)).await;
    let slow = post.webhook(silent.url()).await;
    // Enough to fill every place, and due before anything else.
    for event in 0..parallel {
        post.happens(event).await;
    }
    let running = post.run(webhook_client());
    for _ in 0..parallel_each {
        silent.next().await;
    }
    let mut quick = Receiver::answering([]).await;
    let id = post.webhook(quick.url()).await;
    for event in 0..parallel {
        post.happens(parallel + event).await;
    }
    let mut numbers = Vec::new();
    for _ in 0..parallel {
        numbers.push(number(&quick.next().await));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(parallel as u64..2 * parallel as u64));
    until(async || {
        let log = post.log(id).await;
        let is_done = log.iter().all(|d| d.state == DeliveryState::Delivered);
        (is_done && log.len() == parallel).then_some(())
    })
    .await;
    let log = post.log(slow).await;
    let begun = log.iter().filter(|delivery| delivery.attempts > 0).count();
    assert_eq!(begun, parallel_each);
    assert!(silent.rest().is_empty());
    running.abort();
}

#[tokio::test]
async fn a_place_that_is_free_again_is_taken() {
    const EVENTS: usize = 9;
    let post = Post::new(Arc::new(ManualClock::new())).await;
    // Each waits for its time to be over, and leaves its place to the next.
    let mut silent = Receiver::answering((0..EVENTS).map(|_| None)).await;
    let id = post.webhook(silent.url()).await;
    for event in 0..EVENTS {
        post.happens(event).await;
    }
    let running = post.run(WebhookClient::new(here(), Duration::from_millis(50)).unwrap());
    let mut numbers = Vec::new();
    for _ in 0..EVENTS {
        numbers.push(number(&silent.next().await));
    }
    assert_eq!(numbers.len(), EVENTS);
    until(async || {
        let log = post.log(id).await;
        log.iter()
            .all(|delivery| delivery.error.is_some())
            .then_some(())
    })
    .await;
    post.end(running).await;
}
