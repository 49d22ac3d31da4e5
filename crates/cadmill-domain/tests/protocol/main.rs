//! Every order in which workers, their leases and the ledger can act, tried out: the model check of
//! the exactly-once protocol.
//!
//! **What is modelled.** One file and one kind of work, that is one row, changed by nothing but the
//! crate's own [`Row`](cadmill_domain::ledger::Row); the lock of that row; and three workers. A worker looks
//! for work, takes the lock, claims, confirms its claim, publishes under its fence and releases the
//! lock; or it looks for open claims that are not confirmed, finds that no worker holds the lock (or takes
//! it itself), suspects the owner and takes the claim back later. A worker whose lease is lost takes the
//! lock again, and hands its work back if another has it.
//! Each of these is a step of its own, and between any two of them anything else may happen: somebody
//! asks for the same or for something else (and back again), or cancels; the lock store forgets all;
//! the database is away for longer than a lease; a worker dies, stops for as long as it likes and goes on
//! unaware, fails, or is to stop; the bytes of the asset are lost, which is found some time later.
//!
//! **What is left out.** Time: a lease runs out at any moment after its worker has died or stopped,
//! and never before, so that a worker that is merely slow counts as one that stopped; so does its
//! confirmation, and one that is at work confirms its claim in the time that it has after it was
//! suspected. A worker that alone cannot reach the database is one that stopped; what failed is
//! due again at once. Tokens: a lease is that of the lock or is not. A try for a lock that is held
//! is no step, for it changes nothing. A lock store that is down is one that forgets all and grants
//! nothing for a while. Who died is back at once. Priorities, progress, and the chain to other kinds.
//!
//! **How far.** Three workers, three requests for up to three inputs, and three faults of any kind:
//! 1,589,059 states, up to 76 steps from the start. Then two requests for the same and four faults:
//! 350,810 states. Workers and inputs that are alike are taken together. Both take 22 s in a debug
//! build on two cores. By hand, before that was settled on: four faults with three requests, and
//! four requests with three faults, some 6 million states each. The check keeps 64 bits of each
//! state, so it takes two states for one about once in ten million runs. No path comes back to where
//! it was, which is checked too: so every run ends, and where it ends nothing is left to be done.
//!
//! **Whether it can tell.** Each guard of the protocol is taken away once, and the check must find
//! out what for it is there.

mod ledger;
mod properties;
mod protocol;
mod state;
mod steps;

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use self::protocol::{Guard, Protocol};

#[test]
fn the_protocol_holds() {
    let many_requests = Protocol {
        without: None,
        requests: 3,
        faults: 3,
        inputs: 3,
    };
    let many_faults = Protocol {
        requests: 2,
        faults: 4,
        inputs: 1,
        ..many_requests
    };
    let (states, seen) = holds(many_requests);
    let (more_states, more_seen) = holds(many_faults);
    assert!(states > 1_000_000, "there were only {states} states");
    assert!(
        more_states > 100_000,
        "there were only {more_states} states"
    );
    let seen: BTreeSet<_> = seen.union(&more_seen).copied().collect();
    for property in many_requests.properties() {
        let is_seen = property.expectation == Expectation::Always || seen.contains(property.name);
        assert!(is_seen, "it never comes to pass that {}", property.name);
    }
}

#[test]
fn without_the_fence_a_stale_owner_publishes() {
    fails(Guard::Fence, properties::STALE_IS_REFUSED);
    fails(Guard::Fence, properties::ASSET_IS_AS_SAID);
}

#[test]
fn without_coalescing_a_file_is_made_twice() {
    fails(Guard::Coalescing, properties::RUN_IS_NEEDED);
    fails(Guard::Coalescing, properties::ONE_MORE_RUN);
}

#[test]
fn without_the_lock_two_work_at_once() {
    fails(Guard::Lock, properties::ONE_LIVE_RUN);
    fails(Guard::Lock, properties::LOCKED);
}

#[test]
fn without_its_token_a_stale_owner_releases_the_lock_of_the_next() {
    fails(Guard::Token, properties::STALE_IS_REFUSED);
}

#[test]
fn without_the_transition_lost_bytes_stay_lost() {
    fails(Guard::Loss, properties::NOT_STUCK);
}

#[test]
fn without_confirmations_a_flush_of_the_locks_counts_a_crash_and_makes_a_second_run() {
    fails(Guard::Confirmation, properties::LIVE_IS_LEFT);
    fails(Guard::Confirmation, properties::ONE_CLAIM_AT_WORK);
}

#[test]
fn without_suspicion_an_outage_of_the_database_counts_a_crash() {
    fails(Guard::Suspicion, properties::LIVE_IS_LEFT);
    fails(Guard::Suspicion, properties::ONE_CLAIM_AT_WORK);
}

/// Checks that all properties hold in all states. Tells how many there are, and what was seen.
#[track_caller]
fn holds(protocol: Protocol) -> (usize, BTreeSet<&'static str>) {
    let checker = protocol.checker().threads(2).symmetry();
    let awaited = HasDiscoveries::AnyFailures;
    let found = checker.finish_when(awaited).spawn_dfs().join();
    let (states, depth) = (found.unique_state_count(), found.max_depth());
    println!("{protocol:?}: {states} states, up to {depth} steps from the start");
    let paths = found.discoveries();
    for property in protocol.properties() {
        let name = property.name;
        if property.expectation == Expectation::Always
            && let Some(path) = paths.get(name)
        {
            panic!("it does not hold that `{name}`: {path}");
        }
    }
    (states, paths.into_keys().collect())
}

/// Checks that a property does not hold where a guard is missing.
#[track_caller]
fn fails(guard: Guard, property: &'static str) {
    let protocol = Protocol {
        without: Some(guard),
        requests: 2,
        faults: 2,
        inputs: 2,
    };
    let awaited = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let checker = protocol.checker().finish_when(awaited);
    let found = checker.spawn_bfs().join();
    let states = found.unique_state_count();
    let Some(path) = found.discovery(property) else {
        let others: Vec<_> = found
            .discoveries()
            .into_iter()
            .map(|(name, path)| (name, path.into_actions()))
            .collect();
        panic!(
            "without {guard:?} it still holds that `{property}`, in all {states} states; {others:#?}"
        );
    };
    println!(
        "without {guard:?} it does not hold that `{property}`: {:?}",
        path.into_actions()
    );
}
