//! What work under a lock can rely on.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Pair, Unreliable, fresh_key, until};
use crate::{
    DedupLock, Exclusive, Lease, LockError, LockKey, Renewal, run_exclusive, run_exclusive_while,
};

pub(super) async fn check(pair: &Pair) {
    work_longer_than_a_lease_keeps_the_key(pair).await;
    failed_work_releases_the_key(pair).await;
    a_panic_releases_the_key_and_goes_on(pair).await;
    dropped_work_releases_the_key(pair).await;
    work_that_someone_else_does_is_skipped(pair).await;
    work_is_cancelled_when_another_has_the_key(pair).await;
    a_forgotten_lease_is_taken_again(pair).await;
    another_that_only_looks_takes_nothing_away(pair).await;
    what_may_not_be_renewed_runs_out(pair).await;
    a_short_outage_is_survived(pair).await;
    a_long_outage_costs_no_work(pair).await;
    work_that_does_not_wind_up_is_dropped(pair).await;
    nothing_runs_without_a_store(pair).await;
}

/// Our lock behind a switch.
struct Bench {
    pair: Pair,
    switch: Arc<Unreliable>,
    lock: Arc<dyn DedupLock>,
    key: LockKey,
}

impl Bench {
    fn new(pair: &Pair, name: &str) -> Self {
        let switch = Arc::new(Unreliable::new(Arc::clone(&pair.ours)));
        Self {
            pair: pair.clone(),
            lock: Arc::clone(&switch) as _,
            switch,
            key: fresh_key(name),
        }
    }

    async fn run<T, Fut: Future<Output = T>>(
        &self,
        body: impl FnOnce(CancellationToken) -> Fut,
    ) -> Result<Exclusive<T>, LockError> {
        run_exclusive(&self.lock, &self.key, self.pair.ttl, body).await
    }

    /// Nobody has the key, and nothing of ours goes on.
    async fn leaves_nothing(self) {
        until("the key is free", async || {
            self.pair.is_free(&self.key).await
        })
        .await;
        drop(self.lock);
        until("nothing goes on", async || {
            Arc::strong_count(&self.switch) == 1
        })
        .await;
    }
}

async fn work_longer_than_a_lease_keeps_the_key(pair: &Pair) {
    let bench = Bench::new(pair, "long work");
    let outcome = bench.run(async |lost| {
        let started = Instant::now();
        until("three leases are over", async || {
            let theirs = pair.theirs.try_acquire(&bench.key, pair.ttl).await;
            assert_eq!(theirs.unwrap(), None);
            started.elapsed() > 3 * pair.ttl
        })
        .await;
        assert!(!lost.is_cancelled());
        7
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(7));
    assert!(bench.switch.renewals() >= 6);
    assert!(pair.is_free(&bench.key).await);
    bench.leaves_nothing().await;
}

async fn failed_work_releases_the_key(pair: &Pair) {
    let bench = Bench::new(pair, "failed work");
    let outcome = bench.run(async |_| Err::<(), _>("no")).await.unwrap();
    assert_eq!(outcome, Exclusive::Ran(Err("no")));
    assert!(pair.is_free(&bench.key).await);
    bench.leaves_nothing().await;
}

async fn a_panic_releases_the_key_and_goes_on(pair: &Pair) {
    let bench = Bench::new(pair, "panic");
    let (lock, key, ttl) = (Arc::clone(&bench.lock), bench.key.clone(), pair.ttl);
    let work = async move {
        let body = async |_| std::panic::resume_unwind(Box::new("the work panics"));
        run_exclusive(&lock, &key, ttl, body)
            .await
            .map(|_: Exclusive<()>| ())
    };
    let panic = tokio::spawn(work).await.unwrap_err().into_panic();
    assert_eq!(panic.downcast_ref(), Some(&"the work panics"));
    assert!(pair.is_free(&bench.key).await);
    bench.leaves_nothing().await;
}

async fn dropped_work_releases_the_key(pair: &Pair) {
    let bench = Bench::new(pair, "dropped");
    let started = Notify::new();
    let work = bench.run(async |_| {
        started.notify_one();
        pending::<()>().await;
    });
    tokio::select! {
        outcome = work => panic!("the work never ends: {outcome:?}"),
        () = started.notified() => {}
    }
    bench.leaves_nothing().await;
}

async fn work_that_someone_else_does_is_skipped(pair: &Pair) {
    let bench = Bench::new(pair, "skipped");
    let theirs = pair.theirs.try_acquire(&bench.key, 100 * pair.ttl).await;
    let outcome = bench.run(async |_| panic!("it must not run")).await;
    let Exclusive::<()>::Skipped(Some(holder)) = outcome.unwrap() else {
        panic!("it was not skipped");
    };
    assert_eq!(holder.who, "theirs");
    assert!(
        pair.theirs
            .release(&theirs.unwrap().unwrap())
            .await
            .unwrap()
    );
    bench.leaves_nothing().await;
}

/// The other user gets the key, though our lease is in force, as after a flush of the store.
async fn take_away(bench: &Bench) -> Lease {
    let pair = &bench.pair;
    let mut taken = None;
    until("the other user has the key", async || {
        pair.theirs
            .release(&bench.switch.last_lease())
            .await
            .unwrap();
        let lease = pair.theirs.try_acquire(&bench.key, 100 * pair.ttl).await;
        taken = lease.unwrap();
        taken.is_some()
    })
    .await;
    taken.expect("it was waited for")
}

async fn work_is_cancelled_when_another_has_the_key(pair: &Pair) {
    let bench = Bench::new(pair, "taken away");
    let outcome = bench.run(async |lost| {
        let theirs = take_away(&bench).await;
        let since = Instant::now();
        lost.cancelled().await;
        // One that has it for a moment only would not matter.
        assert!(since.elapsed() >= pair.ttl / 3, "{:?}", since.elapsed());
        assert!(pair.theirs.release(&theirs).await.unwrap());
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Lost);
    bench.leaves_nothing().await;
}

async fn a_forgotten_lease_is_taken_again(pair: &Pair) {
    let bench = Bench::new(pair, "forgotten");
    let outcome = bench.run(async |lost| {
        for _ in 0..3 {
            let lease = bench.switch.last_lease();
            assert!(pair.theirs.release(&lease).await.unwrap());
            until("the key is taken again", async || {
                bench.switch.last_lease() != lease && !pair.is_free(&bench.key).await
            })
            .await;
        }
        lost.is_cancelled()
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(false));
    bench.leaves_nothing().await;
}

async fn another_that_only_looks_takes_nothing_away(pair: &Pair) {
    let bench = Bench::new(pair, "a look");
    let outcome = bench.run(async |lost| {
        let theirs = take_away(&bench).await;
        assert!(pair.theirs.release(&theirs).await.unwrap());
        let renewals = bench.switch.renewals();
        until("renewals go on", async || {
            bench.switch.renewals() > renewals
        })
        .await;
        lost.is_cancelled()
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(false));
    bench.leaves_nothing().await;
}

async fn what_may_not_be_renewed_runs_out(pair: &Pair) {
    let bench = Bench::new(pair, "not renewed");
    let renewal = Renewal::default();
    let work = async |lost: CancellationToken| {
        renewal.allow_until(Instant::now());
        until("the lease runs out", async || {
            pair.is_free(&bench.key).await
        })
        .await;
        assert!(!lost.is_cancelled());
        renewal.allow_until(Instant::now() + 100 * pair.ttl);
        until("the key is taken again", async || {
            !pair.is_free(&bench.key).await
        })
        .await;
        lost.is_cancelled()
    };
    let outcome = run_exclusive_while(&bench.lock, &bench.key, pair.ttl, &renewal, work);
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(false));
    bench.leaves_nothing().await;
}

async fn a_short_outage_is_survived(pair: &Pair) {
    let bench = Bench::new(pair, "short outage");
    let outcome = bench.run(async |lost| {
        bench.switch.set_down(true);
        until("a renewal fails", async || {
            bench.switch.failed_renewals() > 0
        })
        .await;
        bench.switch.set_down(false);
        let renewals = bench.switch.renewals();
        until("renewals go on", async || {
            bench.switch.renewals() > renewals + 1
        })
        .await;
        lost.is_cancelled()
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(false));
    bench.leaves_nothing().await;
}

async fn a_long_outage_costs_no_work(pair: &Pair) {
    let bench = Bench::new(pair, "outage");
    let outcome = bench.run(async |lost| {
        bench.switch.set_down(true);
        until("the lease runs out", async || {
            pair.is_free(&bench.key).await
        })
        .await;
        let failed = bench.switch.failed_renewals();
        until("it is still tried", async || {
            bench.switch.failed_renewals() > failed
        })
        .await;
        bench.switch.set_down(false);
        until("the key is taken again", async || {
            !pair.is_free(&bench.key).await
        })
        .await;
        lost.is_cancelled()
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Ran(false));
    bench.leaves_nothing().await;
}

async fn work_that_does_not_wind_up_is_dropped(pair: &Pair) {
    struct Dropped<'a>(&'a AtomicBool);
    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let bench = Bench::new(pair, "stubborn");
    let dropped = AtomicBool::new(false);
    let theirs = std::cell::Cell::new(None);
    let started = Instant::now();
    let outcome = bench.run(async |_| {
        let _dropped = Dropped(&dropped);
        theirs.set(Some(take_away(&bench).await));
        pending::<()>().await;
    });
    assert_eq!(outcome.await.unwrap(), Exclusive::Lost);
    assert!(dropped.load(Ordering::SeqCst));
    assert!(started.elapsed() >= pair.ttl);
    let theirs = theirs.take().expect("it was taken away");
    assert!(pair.theirs.release(&theirs).await.unwrap());
    bench.leaves_nothing().await;
}

async fn nothing_runs_without_a_store(pair: &Pair) {
    let bench = Bench::new(pair, "no store");
    bench.switch.set_down(true);
    let outcome = bench.run(async |_| panic!("it must not run")).await;
    assert!(matches!(
        outcome,
        Err::<Exclusive<()>, _>(LockError::Unavailable(_))
    ));
    let ping = bench.lock.ping().await;
    assert!(matches!(ping, Err(LockError::Unavailable(_))));
    // A store that vanishes while the work goes on does not spoil its result.
    bench.switch.set_down(false);
    let outcome = bench.run(async |_| bench.switch.set_down(true)).await;
    assert_eq!(outcome.unwrap(), Exclusive::Ran(()));
    bench.leaves_nothing().await;
}
