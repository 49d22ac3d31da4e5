//! What every [`WorkNotifier`] must do. A ring may be lost, so the scenarios ring until they are heard.

use std::{
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt as _,
    future::{Either, join_all, select},
};

use crate::WorkNotifier;

/// For so long it is rung before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(10);

suite! { $ notifier, doorbell_contract:
    a_ring_wakes_whoever_waits
    a_wait_lasts_until_a_ring
    nobody_has_to_listen
}

/// Two ends of one bell: they may be of two processes, or the same.
#[derive(Debug, Clone)]
pub struct Doorbells {
    /// The end that is rung.
    pub ringing: Arc<dyn WorkNotifier>,
    /// The end at which is waited.
    pub waiting: Arc<dyn WorkNotifier>,
}

/// One or many, again and again.
pub async fn a_ring_wakes_whoever_waits(bells: &Doorbells) {
    for waiters in [1, 5, 1, 20] {
        let waiting = (0..waiters).map(|_| bells.waiting.wait());
        let waiting = pin!(join_all(waiting).map(drop));
        let ringing = pin!(ring_on(bells));
        match select(waiting, ringing).await {
            Either::Left(_) => {}
            Either::Right(_) => panic!("{waiters} waiters did not all hear in {PATIENCE:?}"),
        }
    }
}

/// It does not end by itself.
pub async fn a_wait_lasts_until_a_ring(bells: &Doorbells) {
    let mut waiting = pin!(bells.waiting.wait());
    for _ in 0..100 {
        assert!(waiting.as_mut().now_or_never().is_none(), "nobody has rung");
        breathe().await;
    }
    let ringing = pin!(ring_on(bells));
    let heard = matches!(select(waiting, ringing).await, Either::Left(_));
    assert!(heard, "it was not heard in {PATIENCE:?}");
}

/// Ringing ends, whoever hears it.
pub async fn nobody_has_to_listen(bells: &Doorbells) {
    for _ in 0..100 {
        bells.ringing.notify().await;
    }
    drop(bells.waiting.wait());
    bells.ringing.notify().await;
}

/// Rings until it has been ignored for too long.
async fn ring_on(bells: &Doorbells) {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        bells.ringing.notify().await;
        breathe().await;
    }
}

/// Lets others run.
async fn breathe() {
    let mut breathed = false;
    poll_fn(|context| {
        if breathed {
            return Poll::Ready(());
        }
        breathed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
