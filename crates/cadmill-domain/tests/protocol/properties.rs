//! What must hold, each under the name of its invariant in the design; and what must be seen, lest
//! the rest hold for want of anything happening.

use cadmill_domain::{
    FailureCode,
    ledger::{MAX_CRASHES, RowState},
};
use stateright::Property;

use crate::{
    protocol::Protocol,
    state::{Breach, Ending, Lease, Phase, State},
};

pub(crate) const ONE_LIVE_RUN: &str = "I1: at most one worker runs under an unexpired lease";
pub(crate) const FENCE_GROWS: &str =
    "I2: each claim moves the fence on by one, nothing else moves it";
pub(crate) const STALE_IS_REFUSED: &str = "I3: a stale owner changes nothing";
pub(crate) const NEWEST_STAYS: &str = "I3: a claim publishes once, and never over a newer one";
pub(crate) const ASSET_IS_AS_SAID: &str = "I3: the asset is made of what the row says is ready";
pub(crate) const IDLE_IS_READY: &str = "I4: idle means that what was wanted last is ready";
pub(crate) const RUN_IS_NEEDED: &str = "I5: a run starts only for what is wanted and not ready";
pub(crate) const ONE_MORE_RUN: &str =
    "I5: requests during a run lead to one more run, or to none if they want the same";
pub(crate) const LIVE_IS_LEFT: &str = "I6: no claim is recovered whose owner is at work";
pub(crate) const ONE_CLAIM_AT_WORK: &str =
    "I1: a second run begins only if the first was cancelled, stopped or is over";
pub(crate) const POISON_STOPS: &str = "I6: after three crashes it is set aside";
pub(crate) const ONLY_POISON_STOPS: &str = "I6: only what died three times in a row is set aside";
pub(crate) const NEARER: &str = "I6: every step of the protocol brings the end nearer";
pub(crate) const NOT_STUCK: &str = "I6: where the protocol ends, nothing is left to be done";
pub(crate) const LOCKED: &str = "I8: nothing runs without a lease";
pub(crate) const ANSWERED: &str = "I9: a request is answered with what became of it";

pub(crate) const REFUSED: &str = "a publish is refused";
pub(crate) const RECOVERED: &str = "a claim is recovered";
pub(crate) const ONE_MORE: &str = "a run is followed by one more";
pub(crate) const SET_ASIDE: &str = "work is set aside";
pub(crate) const TWO_AT_WORK: &str =
    "two work at once, one of them without knowing that it is late";

pub(crate) fn properties() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_LIVE_RUN, |_, state: &State| live_runs(state) <= 1),
        Property::always(FENCE_GROWS, |_, state: &State| {
            state.seen.lacks(Breach::FenceMoved)
        }),
        Property::always(STALE_IS_REFUSED, |_, state: &State| {
            state.seen.lacks(Breach::StaleOwnerChanged)
        }),
        Property::always(NEWEST_STAYS, |_, state: &State| {
            state.seen.lacks(Breach::OlderPublished)
        }),
        Property::always(ASSET_IS_AS_SAID, |_, state: &State| {
            state.row.asset.map(|asset| asset.made) == state.row.ready
        }),
        Property::always(IDLE_IS_READY, |_, state: &State| {
            state.row.state != RowState::Idle || state.row.ready == state.seen.wanted
        }),
        Property::always(RUN_IS_NEEDED, |_, state: &State| {
            state.seen.lacks(Breach::NeedlessRun)
        }),
        Property::always(ONE_MORE_RUN, |_, state: &State| {
            state.seen.lacks(Breach::OneRunTooMany)
        }),
        Property::always(LIVE_IS_LEFT, |_, state: &State| {
            state.seen.lacks(Breach::LiveOwnerRecovered)
        }),
        Property::always(ONE_CLAIM_AT_WORK, |_, state: &State| {
            state.seen.lacks(Breach::SecondRun)
        }),
        Property::always(POISON_STOPS, |_, state: &State| poison_stops(state)),
        Property::always(ONLY_POISON_STOPS, |_, state: &State| {
            !is_set_aside(state) || u32::from(state.seen.deaths) == MAX_CRASHES
        }),
        Property::always(NEARER, |_, state: &State| {
            state.seen.lacks(Breach::FurtherFromTheEnd)
        }),
        Property::always(NOT_STUCK, |protocol: &Protocol, state| {
            is_not_stuck(*protocol, state)
        }),
        Property::always(LOCKED, |protocol: &Protocol, state| {
            runs_are_locked(*protocol, state)
        }),
        Property::always(ANSWERED, |_, state: &State| {
            state.seen.lacks(Breach::WrongAnswer)
        }),
        Property::sometimes(REFUSED, |_, state: &State| {
            state.has_ended(Ending::PublishRefused)
        }),
        Property::sometimes(RECOVERED, |_, state: &State| state.row.crashes > 0),
        Property::sometimes(ONE_MORE, |_, state: &State| {
            state.has_ended(Ending::PublishedAndWantedAgain)
        }),
        Property::sometimes(SET_ASIDE, |_, state: &State| is_set_aside(state)),
        Property::sometimes(TWO_AT_WORK, |_, state: &State| {
            let at_work = state
                .workers
                .iter()
                .filter(|worker| worker.fence().is_some());
            at_work.count() > 1
        }),
    ]
}

impl State {
    fn has_ended(&self, ending: Ending) -> bool {
        let mut workers = self.workers.iter();
        workers.any(|worker| worker.phase == Phase::Closing(ending))
    }
}

fn live_runs(state: &State) -> usize {
    let workers = state.workers.iter();
    workers
        .filter(|worker| worker.fence().is_some() && worker.lease != Lease::Lost)
        .count()
}

/// A lease is only ever lost by a fault, so without faults it is held.
fn runs_are_locked(protocol: Protocol, state: &State) -> bool {
    let has_no_fault = state.left.faults == protocol.faults;
    state.workers.iter().all(|worker| {
        let is_right = match worker.lease {
            Lease::None => false,
            Lease::Lost => !has_no_fault,
            Lease::Live => true,
        };
        worker.fence().is_none() || is_right
    })
}

fn is_set_aside(state: &State) -> bool {
    state.row.state == RowState::Failed && state.row.failure == Some(FailureCode::WorkerCrash)
}

fn poison_stops(state: &State) -> bool {
    let deaths = u32::from(state.seen.deaths);
    let may_go_on = deaths < MAX_CRASHES;
    deaths <= MAX_CRASHES
        && (may_go_on || !state.row.is_queued() && state.row.open_fence().is_none())
}

/// Where some worker lives and no step of the protocol is left, the row is settled, what it shows can
/// be read and the lock is free, even if who is frozen never wakes.
fn is_not_stuck(protocol: Protocol, state: &State) -> bool {
    if state.row.is_settled() && !state.is_locked() && !state.is_broken {
        return true;
    }
    let mut steps = Vec::new();
    protocol.inner(state, &mut steps);
    !steps.is_empty() || state.workers.iter().all(|worker| worker.frozen)
}
