//! Wake-ups over Redis.

use std::time::{Duration, Instant};

use cadmill_lock::redis::RedisWorkNotifier;
use futures_util::{FutureExt as _, future::join_all};
use tokio::time::timeout;

use crate::{redis_faults::until, redis_server::RedisServer};

/// A wake-up comes sooner.
const SOON: Duration = Duration::from_secs(20);

async fn wakes(waiter: &mut cadmill_lock::redis::Waiter) {
    timeout(SOON, waiter.wait()).await.expect("it is woken");
}

#[tokio::test]
async fn all_who_wait_wake() {
    let server = RedisServer::start();
    let here = RedisWorkNotifier::connect(&server.url(), "work")
        .await
        .unwrap();
    let there = RedisWorkNotifier::connect(&server.url(), "work")
        .await
        .unwrap();
    let elsewhere = RedisWorkNotifier::connect(&server.url(), "other")
        .await
        .unwrap();
    let mut waiters: Vec<_> = [&here, &here, &there].map(RedisWorkNotifier::waiter).into();
    let mut other = elsewhere.waiter();
    let waiting = waiters.iter_mut().map(wakes);
    let started = Instant::now();
    let (_, sent) = tokio::join!(join_all(waiting), here.notify());
    sent.unwrap();
    println!("all woke within {:?}", started.elapsed());
    // Nobody wakes without a reason.
    elsewhere.notify().await.unwrap();
    wakes(&mut other).await;
    for waiter in &mut waiters {
        assert!(waiter.wait().now_or_never().is_none());
    }
    assert!(here.waiter().wait().now_or_never().is_none());
}

#[tokio::test]
async fn what_comes_between_two_waits_is_not_lost_and_is_one() {
    let server = RedisServer::start();
    let signal = RedisWorkNotifier::connect(&server.url(), "work")
        .await
        .unwrap();
    let (mut waiter, mut last) = (signal.waiter(), signal.waiter());
    for _ in 0..1000 {
        signal.notify().await.unwrap();
    }
    // Messages come in order, and this one comes last.
    let clone = signal.clone();
    let marker = RedisWorkNotifier::connect(&server.url(), "work")
        .await
        .unwrap();
    marker.notify().await.unwrap();
    wakes(&mut last).await;
    until(async || last.wait().now_or_never().is_none()).await;
    wakes(&mut waiter).await;
    drop((signal, clone));
    // A waiter keeps its signal alive.
    marker.notify().await.unwrap();
    wakes(&mut waiter).await;
}

#[tokio::test]
async fn a_restart_wakes_once_and_is_survived() {
    let mut server = RedisServer::start();
    let signal = RedisWorkNotifier::connect(&server.url(), "work")
        .await
        .unwrap();
    let mut waiter = signal.waiter();
    for _ in 0..2 {
        server.kill();
        assert!(signal.notify().await.is_err());
        server.start_again();
        let started = Instant::now();
        wakes(&mut waiter).await;
        println!("woke {:?} after the restart", started.elapsed());
        until(async || signal.notify().await.is_ok()).await;
        wakes(&mut waiter).await;
    }
}

#[tokio::test]
async fn nothing_is_left_on_the_server_by_a_dropped_signal() {
    let server = RedisServer::start();
    let signal = RedisWorkNotifier::connect(&server.url(), "work")
        .await
        .unwrap();
    assert!(
        server
            .command("INFO clients")
            .contains("connected_clients:3\r")
    );
    drop(signal);
    until(async || {
        server
            .command("INFO clients")
            .contains("connected_clients:1\r")
    })
    .await;
}
