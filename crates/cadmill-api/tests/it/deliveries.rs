//! The delivery loop, against a receiver on this machine.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, http::StatusCode, response::IntoResponse as _};
use cadmill_api::{DeliverySettings, TargetPolicy, WebhookClient};
use cadmill_domain::{
    Clock as _, SystemClock,
    fakes::ManualClock,
    pipeline_log::PipelineLog as _,
    webhook::{Delivery, DeliveryState, Webhooks as _},
};
use chrono::TimeDelta;
use futures_util::stream;
use serde_json::{Value, json};

use crate::{
    post::{Names, Post, SECRET, header, here, number, reply, until, webhook_client},
    receiver::Receiver,
};

#[tokio::test]
async fn a_delivery_is_signed_and_says_what_happened() {
    let post = Post::new(Arc::new(SystemClock)).await;
    let mut receiver = Receiver::answering([]).await;
    let id = post.webhook(receiver.url()).await;
    let running = post.run(webhook_client());
    post.happens(7).await;
    let received = receiver.next().await;
    let key = standardwebhooks::Webhook::new(SECRET).unwrap();
    key.verify(&received.body, &received.headers).unwrap();
    let other = standardwebhooks::Webhook::new("whsec_b3RoZXI=").unwrap();
    assert!(other.verify(&received.body, &received.headers).is_err());
    assert_eq!(received.path, "/hook");
    assert_eq!(header(&received, "content-type"), "application/json");
    assert_eq!(header(&received, "webhook-id"), "msg_1");
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    let event = &post.store.timeline(post.file.id).await.unwrap()[0];
    let expected = json!({
        "type": "step_done",
        "timestamp": event.at,
        "data": {
            "id": event.id, "at": event.at, "cad_file_id": post.file.id, "step": "process_step",
            "event": "step_done", "fence": null, "worker": "worker 1", "result": {"number": 7},
        },
    });
    assert_eq!(body, expected);
    let noted = post
        .delivery(id, |d| d.state == DeliveryState::Delivered)
        .await;
    assert_eq!(
        (noted.attempts, noted.status, noted.error),
        (1, Some(204), None)
    );
    post.end(running).await;
}

#[tokio::test]
async fn what_fails_is_tried_again_with_the_same_message() {
    let clock = Arc::new(ManualClock::new());
    let post = Post::new(clock.clone()).await;
    let mut receiver = Receiver::answering([reply(500, "out of\0 order\n")]).await;
    let id = post.webhook(receiver.url()).await;
    let running = post.run(webhook_client());
    post.happens(1).await;
    let first = receiver.next().await;
    let noted = post.delivery(id, |d| d.error.is_some()).await;
    assert_eq!(noted.state, DeliveryState::Pending);
    assert_eq!(noted.status, Some(500));
    let error = noted.error.unwrap();
    assert_eq!(error, "answered 500 Internal Server Error: out of order");
    let wait = noted.next_attempt_at - clock.now();
    assert!(wait > TimeDelta::seconds(2) && wait <= TimeDelta::seconds(5));
    clock.advance(TimeDelta::seconds(5));
    let second = receiver.next().await;
    assert_eq!(first.body, second.body);
    assert_eq!(header(&first, "webhook-id"), header(&second, "webhook-id"));
    let times = [&first, &second].map(|r| header(r, "webhook-timestamp").parse::<i64>().unwrap());
    assert_eq!(times[1] - times[0], 5);
    let noted = post
        .delivery(id, |d| d.state == DeliveryState::Delivered)
        .await;
    assert_eq!((noted.attempts, noted.error), (2, None));
    post.end(running).await;
}

#[tokio::test]
async fn a_receiver_may_say_when_it_is_tried_again() {
    let clock = Arc::new(ManualClock::new());
    let post = Post::new(clock.clone()).await;
    let busy = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "3600")]);
    let mut receiver = Receiver::answering([Some(busy.into_response())]).await;
    let id = post.webhook(receiver.url()).await;
    let running = post.run(webhook_client());
    post.happens(1).await;
    receiver.next().await;
    let noted = post.delivery(id, |d| d.status == Some(429)).await;
    assert_eq!(noted.next_attempt_at - clock.now(), TimeDelta::hours(1));
    clock.advance(TimeDelta::hours(1));
    receiver.next().await;
    post.delivery(id, |d| d.state == DeliveryState::Delivered)
        .await;
    post.end(running).await;
}

#[tokio::test]
async fn a_receiver_that_is_gone_disables_its_webhook() {
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let mut receiver = Receiver::answering([reply(410, "")]).await;
    let id = post.webhook(receiver.url()).await;
    let running = post.run(webhook_client());
    post.happens(1).await;
    receiver.next().await;
    let noted = post
        .delivery(id, |d| d.state == DeliveryState::Failed)
        .await;
    assert_eq!(noted.status, Some(410));
    assert!(!post.webhook_now(id).await.enabled);
    post.happens(2).await;
    let store = post.store.clone();
    post.end(running).await;
    assert_eq!(store.enqueue_events().await.unwrap(), 0);
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_delivery_is_given_up_in_the_end() {
    let clock = Arc::new(ManualClock::new());
    let post = Post::new(clock.clone()).await;
    let replies = std::iter::repeat_with(|| reply(503, "")).take(20);
    let mut receiver = Receiver::answering(replies).await;
    let id = post.webhook(receiver.url()).await;
    let running = post.run(webhook_client());
    post.happens(1).await;
    for attempt in 1..=10 {
        receiver.next().await;
        let noted = post
            .delivery(id, |d| d.attempts == attempt && d.error.is_some())
            .await;
        // What the last try said stays until the next is over.
        until(async || {
            let noted = post.log(id).await.pop()?;
            let is_noted = noted.state == DeliveryState::Failed
                || noted.next_attempt_at - clock.now() != TimeDelta::minutes(1);
            is_noted.then_some(())
        })
        .await;
        drop(noted);
        clock.advance(TimeDelta::hours(6));
    }
    let noted = post
        .delivery(id, |d| d.state == DeliveryState::Failed)
        .await;
    assert_eq!((noted.attempts, noted.status), (10, Some(503)));
    assert!(post.webhook_now(id).await.enabled);
    post.end(running).await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let moved = (StatusCode::TEMPORARY_REDIRECT, [("location", "/other")]);
    let mut receiver = Receiver::answering([Some(moved.into_response())]).await;
    let id = post.webhook(receiver.url()).await;
    let running = post.run(webhook_client());
    post.happens(1).await;
    let noted = post.delivery(id, |d| d.status == Some(307)).await;
    assert_eq!(noted.state, DeliveryState::Pending);
    post.end(running).await;
    assert_eq!(receiver.next().await.path, "/hook");
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn silence_and_endless_answers_end() {
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>("no! ".repeat(100)));
    let receiver = Receiver::answering([None]).await;
    let chatty = Receiver::answering([reply(400, Body::from_stream(endless))]).await;
    let nobody = Receiver::answering([]).await.url();
    let ids = [
        post.webhook(receiver.url()).await,
        post.webhook(chatty.url()).await,
        post.webhook(nobody).await,
    ];
    let running = post.run(WebhookClient::new(here(), Duration::from_millis(300)).unwrap());
    post.happens(1).await;
    let mut errors = Vec::new();
    for id in ids {
        errors.extend(post.delivery(id, |d| d.error.is_some()).await.error);
    }
    assert_eq!(errors[0], "no answer within 0.3 s");
    assert!(errors[1].starts_with("answered 400 Bad Request: no! no!"));
    assert!(errors[1].len() < 1100, "{}", errors[1].len());
    assert!(errors[2].starts_with("cannot connect: "), "{}", errors[2]);
    post.end(running).await;
}

#[tokio::test]
async fn two_loops_deliver_each_event_once() {
    const EVENTS: usize = 60;
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let mut receiver = Receiver::answering([]).await;
    let id = post.webhook(receiver.url()).await;
    let loops = [post.run(webhook_client()), post.run(webhook_client())];
    for event in 0..EVENTS {
        post.happens(event).await;
    }
    until(async || {
        let log = post.log(id).await;
        let is_done = |d: &Delivery| d.state == DeliveryState::Delivered && d.attempts == 1;
        (log.len() == EVENTS && log.iter().all(is_done)).then_some(())
    })
    .await;
    post.stop.cancel();
    for running in loops {
        running.await.unwrap();
    }
    let mut numbers: Vec<_> = receiver.rest().iter().map(number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..EVENTS as u64));
}

#[tokio::test]
async fn what_a_crashed_loop_had_in_hand_is_delivered_by_another() {
    let clock = Arc::new(ManualClock::new());
    let post = Post::new(clock.clone()).await;
    let mut receiver = Receiver::answering([None]).await;
    let id = post.webhook(receiver.url()).await;
    let crashed = post.run(webhook_client());
    post.happens(1).await;
    let first = receiver.next().await;
    crashed.abort();
    assert!(crashed.await.unwrap_err().is_cancelled());
    let running = post.run(webhook_client());
    clock.advance(TimeDelta::from_std(DeliverySettings::default().lease).unwrap());
    let second = receiver.next().await;
    assert_eq!(first.body, second.body);
    let noted = post
        .delivery(id, |d| d.state == DeliveryState::Delivered)
        .await;
    assert_eq!(noted.attempts, 2);
    post.end(running).await;
}

#[tokio::test]
async fn a_loop_that_is_told_to_stop_notes_what_it_has_in_hand() {
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let mut receiver = Receiver::answering([None]).await;
    let id = post.webhook(receiver.url()).await;
    let running = post.run(WebhookClient::new(here(), Duration::from_millis(200)).unwrap());
    post.happens(1).await;
    receiver.next().await;
    post.stop.cancel();
    running.await.unwrap();
    let log = post.log(id).await;
    assert_eq!(log[0].error.as_deref(), Some("no answer within 0.2 s"));
}

#[tokio::test]
async fn an_address_that_is_not_public_gets_no_connection() {
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let mut receiver = Receiver::answering([]).await;
    let port = receiver.address.port();
    let mut ids = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "rebound.example.com",
    ] {
        ids.push(post.webhook(format!("http://{host}:{port}/hook")).await);
    }
    let names = Arc::new(Names(vec![[127, 0, 0, 1].into()]));
    let limit = Duration::from_secs(10);
    let policy = TargetPolicy::default();
    let running = post.run(WebhookClient::within(policy, limit, names, []).unwrap());
    post.happens(1).await;
    for id in ids {
        let noted = post
            .delivery(id, |d| d.state == DeliveryState::Failed)
            .await;
        let error = noted.error.unwrap();
        assert_eq!(error, "the URL leads to an address that is not public");
        assert_eq!((noted.attempts, noted.status), (1, None));
    }
    post.end(running).await;
    assert!(receiver.rest().is_empty());
}

#[tokio::test]
async fn a_name_is_resolved_when_it_is_connected_to() {
    let post = Post::new(Arc::new(ManualClock::new())).await;
    let mut receiver = Receiver::answering([]).await;
    let port = receiver.address.port();
    let id = post
        .webhook(format!("http://hooks.example.com:{port}/hook"))
        .await;
    // The first is not permitted, and not tried.
    let addresses = vec![[10, 0, 0, 1].into(), [127, 0, 0, 1].into()];
    let limit = Duration::from_secs(10);
    let webhook_client =
        WebhookClient::within(here(), limit, Arc::new(Names(addresses)), []).unwrap();
    let running = post.run(webhook_client);
    post.happens(1).await;
    let received = receiver.next().await;
    assert_eq!(
        header(&received, "host"),
        format!("hooks.example.com:{port}")
    );
    post.delivery(id, |d| d.state == DeliveryState::Delivered)
        .await;
    post.end(running).await;
}
