//! What a lease promises.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep},
};

use super::{Pair, fresh_key, until};
use crate::Held;

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(10);

pub(super) async fn check(pair: &Pair) {
    pair.ours.ping().await.unwrap();
    a_key_is_taken_and_given_back(pair).await;
    each_acquisition_has_a_token_of_its_own(pair).await;
    keys_do_not_meet(pair).await;
    one_of_many_gets_the_key(pair).await;
    never_two_are_inside(pair).await;
    a_lease_runs_out(pair).await;
    a_stale_owner_changes_nothing(pair).await;
    a_renewal_counts_from_now(pair).await;
    a_wait_ends_with_the_release(pair).await;
    a_wait_ends_when_the_lease_runs_out(pair).await;
    an_acquisition_that_nobody_awaits_leaves_nothing(pair).await;
    many_keys_are_looked_at_together(pair).await;
}

async fn a_key_is_taken_and_given_back(pair: &Pair) {
    let key = fresh_key("taken");
    assert_eq!(pair.ours.holder(&key).await.unwrap(), None);
    let lease = pair.ours.try_acquire(&key, LONG).await.unwrap().unwrap();
    assert_eq!(lease.key(), &key);
    for lock in [&pair.ours, &pair.theirs] {
        assert_eq!(lock.try_acquire(&key, LONG).await.unwrap(), None);
        let holder = lock.holder(&key).await.unwrap().unwrap();
        assert_eq!(holder.who, "ours");
        let time_left = holder.time_left.unwrap();
        assert!(time_left <= LONG && time_left > LONG / 2, "{time_left:?}");
        let since = holder.since.unwrap();
        let age = SystemTime::now().duration_since(since).unwrap();
        assert!(age < LONG / 2, "{age:?}");
    }
    assert!(pair.ours.release(&lease).await.unwrap());
    assert!(!pair.ours.release(&lease).await.unwrap());
    assert_eq!(pair.ours.holder(&key).await.unwrap(), None);
    let lease = pair.theirs.try_acquire(&key, LONG).await.unwrap().unwrap();
    let holder = pair.ours.holder(&key).await.unwrap().unwrap();
    assert_eq!(holder.who, "theirs");
    assert!(pair.theirs.release(&lease).await.unwrap());
}

async fn each_acquisition_has_a_token_of_its_own(pair: &Pair) {
    let key = fresh_key("token");
    let first = pair.ours.try_acquire(&key, LONG).await.unwrap().unwrap();
    assert!(pair.ours.release(&first).await.unwrap());
    let second = pair.ours.try_acquire(&key, LONG).await.unwrap().unwrap();
    assert_ne!(first.token(), second.token());
    assert!(!pair.ours.renew(&first, LONG).await.unwrap());
    assert!(!pair.ours.release(&first).await.unwrap());
    assert!(pair.ours.release(&second).await.unwrap());
}

async fn keys_do_not_meet(pair: &Pair) {
    let (one, other) = (fresh_key("one"), fresh_key("other"));
    let first = pair.ours.try_acquire(&one, LONG).await.unwrap().unwrap();
    let second = pair.ours.try_acquire(&other, LONG).await.unwrap().unwrap();
    assert!(pair.ours.release(&first).await.unwrap());
    assert!(pair.is_free(&one).await);
    assert!(pair.ours.renew(&second, LONG).await.unwrap());
    assert!(pair.ours.release(&second).await.unwrap());
}

async fn one_of_many_gets_the_key(pair: &Pair) {
    let key = fresh_key("many");
    let mut tasks = JoinSet::new();
    for lock in [&pair.ours, &pair.theirs].repeat(32) {
        let (lock, key) = (Arc::clone(lock), key.clone());
        tasks.spawn(async move { lock.try_acquire(&key, LONG).await.unwrap() });
    }
    let leases: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(leases.len(), 1);
    assert!(pair.theirs.release(&leases[0]).await.unwrap());
}

async fn never_two_are_inside(pair: &Pair) {
    let key = fresh_key("inside");
    let inside = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for lock in [&pair.ours, &pair.theirs].repeat(8) {
        let (lock, key, inside) = (Arc::clone(lock), key.clone(), Arc::clone(&inside));
        tasks.spawn(async move {
            for _ in 0..8 {
                let lease = loop {
                    match lock.try_acquire(&key, LONG).await.unwrap() {
                        Some(lease) => break lease,
                        None => sleep(Duration::from_millis(1)).await,
                    }
                };
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                assert!(lock.release(&lease).await.unwrap());
            }
        });
    }
    tasks.join_all().await;
}

async fn a_lease_runs_out(pair: &Pair) {
    let key = fresh_key("runs out");
    let asked_at = Instant::now();
    assert!(
        pair.ours
            .try_acquire(&key, pair.ttl)
            .await
            .unwrap()
            .is_some()
    );
    until("the lease runs out", async || {
        pair.theirs.try_acquire(&key, LONG).await.unwrap().is_some()
    })
    .await;
    assert!(asked_at.elapsed() >= pair.ttl, "{:?}", asked_at.elapsed());
}

async fn a_stale_owner_changes_nothing(pair: &Pair) {
    let key = fresh_key("stale");
    let stale = pair
        .ours
        .try_acquire(&key, pair.ttl)
        .await
        .unwrap()
        .unwrap();
    until("the lease runs out", async || pair.is_free(&key).await).await;
    assert!(!pair.ours.renew(&stale, LONG).await.unwrap());
    assert!(!pair.ours.release(&stale).await.unwrap());
    let lease = pair.theirs.try_acquire(&key, LONG).await.unwrap().unwrap();
    assert!(!pair.ours.renew(&stale, pair.ttl).await.unwrap());
    assert!(!pair.ours.release(&stale).await.unwrap());
    let holder = pair.ours.holder(&key).await.unwrap().unwrap();
    assert_eq!(holder.who, "theirs");
    assert!(holder.time_left.unwrap() > pair.ttl);
    assert!(pair.theirs.release(&lease).await.unwrap());
}

async fn a_renewal_counts_from_now(pair: &Pair) {
    let key = fresh_key("renewal");
    let lease = pair
        .ours
        .try_acquire(&key, pair.ttl)
        .await
        .unwrap()
        .unwrap();
    let since = pair.ours.holder(&key).await.unwrap().unwrap().since;
    assert!(pair.ours.renew(&lease, LONG).await.unwrap());
    let holder = pair.ours.holder(&key).await.unwrap().unwrap();
    assert!(holder.time_left.unwrap() > LONG / 2);
    assert_eq!(holder.since, since);
    assert!(pair.ours.renew(&lease, pair.ttl).await.unwrap());
    until("the lease runs out", async || pair.is_free(&key).await).await;
}

async fn a_wait_ends_with_the_release(pair: &Pair) {
    let key = fresh_key("wait");
    let lease = pair.ours.try_acquire(&key, LONG).await.unwrap().unwrap();
    // Whoever stops waiting is in nobody's way.
    let given_up = pair.theirs.acquire(&key, LONG).now_or_never();
    assert!(given_up.is_none());
    let waiters = (0..3).map(|_| async {
        let held = Held::acquire(&pair.theirs, &key, LONG).await.unwrap();
        assert!(held.release().await);
    });
    let release = async {
        yield_now().await;
        assert!(pair.ours.release(&lease).await.unwrap());
    };
    tokio::join!(join_all(waiters), release);
    assert!(pair.is_free(&key).await);
}

async fn a_wait_ends_when_the_lease_runs_out(pair: &Pair) {
    let key = fresh_key("wait for expiry");
    assert!(
        pair.ours
            .try_acquire(&key, pair.ttl)
            .await
            .unwrap()
            .is_some()
    );
    let lease = pair.theirs.acquire(&key, LONG).await.unwrap();
    assert!(pair.theirs.release(&lease).await.unwrap());
}

async fn an_acquisition_that_nobody_awaits_leaves_nothing(pair: &Pair) {
    let key = fresh_key("nobody awaits");
    if let Some(Ok(Some(lease))) = pair.ours.try_acquire(&key, LONG).now_or_never() {
        // The store is so near that there was nothing to wait for.
        assert!(pair.ours.release(&lease).await.unwrap());
    }
    // What was asked before is answered before.
    pair.ours.ping().await.unwrap();
    until("the key is free", async || pair.is_free(&key).await).await;
}

async fn many_keys_are_looked_at_together(pair: &Pair) {
    assert_eq!(pair.ours.held(&[]).await.unwrap(), [false; 0]);
    let keys: Vec<_> = (0..300).map(|_| fresh_key("together")).collect();
    assert_eq!(pair.ours.held(&keys).await.unwrap(), [false; 300]);
    let mut leases = Vec::new();
    for (place, key) in keys.iter().enumerate().step_by(3) {
        let lock = if place % 2 == 0 {
            &pair.ours
        } else {
            &pair.theirs
        };
        leases.push(lock.try_acquire(key, LONG).await.unwrap().unwrap());
    }
    let expected: Vec<_> = (0..300).map(|place| place % 3 == 0).collect();
    assert_eq!(pair.theirs.held(&keys).await.unwrap(), expected);
    let taken: Vec<_> = keys.iter().step_by(3).cloned().collect();
    assert_eq!(pair.theirs.held(&taken).await.unwrap(), [true; 100]);
    for lease in leases {
        assert!(pair.ours.release(&lease).await.unwrap());
    }
    assert_eq!(pair.theirs.held(&keys).await.unwrap(), [false; 300]);
}
