//! Every order in which bytes are stored, referred to and swept, tried out: the model check of the
//! rules by which a sweep never removes what is wanted.
//!
//! **What is modelled.** One blob with its copies in the store; the rows that refer to it, the
//! recorded intents and the removal, which is changed by nothing but the crate's own
//! [`RemovalRow`](cadmill_domain::blobs::RemovalRow); two processes that store the bytes or reuse them, and
//! two that sweep. Each call of the database or of the store is a step of its own, and between any
//! two of them anything else may happen: a row is deleted, an intent ends too early, a process dies
//! and leaves what it has begun. A process that is frozen is one that takes no step for as long as
//! it likes, and then goes on: its deletions come late.
//!
//! **What is left out.** What the sweep lists besides; how old objects are; bytes that are damaged.
//!
//! **How far.** Three times the bytes are stored and once reused, three sweeps are begun, and two of
//! each go wrong. The test prints how many states these are.
//!
//! **Whether it can find a loss.** Each guard is taken away once, and the check must find the blob
//! that is referred to and not there.

mod model;
mod steps;

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model as _};

use self::model::{Guard, KEPT, Limits, Sweeping};

const LIMITS: Limits = Limits {
    puts: 3,
    reuses: 1,
    sweeps: 3,
    deletions: 2,
    expiries: 1,
    deaths: 1,
};

#[test]
fn what_is_referred_to_is_there() {
    let sweeping = Sweeping {
        without: None,
        limits: LIMITS,
    };
    let checker = sweeping.checker().threads(2);
    let awaited = HasDiscoveries::AnyFailures;
    let found = checker.finish_when(awaited).spawn_dfs().join();
    let (states, depth) = (found.unique_state_count(), found.max_depth());
    println!("{states} states, up to {depth} steps from the start");
    let paths = found.discoveries();
    for property in sweeping.properties() {
        let path = paths.get(property.name);
        match property.expectation {
            Expectation::Always => {
                assert!(path.is_none(), "{}: {}", property.name, path.unwrap());
            }
            _ => assert!(path.is_some(), "it never happens that {}", property.name),
        }
    }
    assert!(states > 100_000, "there were only {states} states");
}

#[test]
fn without_intents_a_blob_is_removed_before_its_row_comes() {
    loses(Guard::Intents);
}

#[test]
fn without_the_check_of_its_intent_a_late_row_refers_to_nothing() {
    loses(Guard::IntentIsChecked);
}

#[test]
fn without_another_copy_a_removal_deletes_what_was_stored_meanwhile() {
    loses(Guard::OtherCopy);
}

#[test]
fn without_a_record_a_removal_is_not_seen() {
    loses(Guard::RemovalIsRecorded);
}

#[test]
fn without_taking_turns_intent_and_removal_miss_each_other() {
    loses(Guard::Turns);
}

#[test]
fn a_removal_that_another_sweep_took_over_is_not_freed_by_either() {
    loses(Guard::TakenOverStays);
}

#[test]
fn a_removal_of_what_another_sweep_may_delete_concerns_further_copies() {
    loses(Guard::BeginAgain);
}

#[test]
fn without_its_lock_a_row_that_is_reused_may_be_gone() {
    loses(Guard::ReusedIsLocked);
}

/// Checks that a blob is lost where a guard is missing.
#[track_caller]
fn loses(guard: Guard) {
    let sweeping = Sweeping {
        without: Some(guard),
        limits: LIMITS,
    };
    let awaited = HasDiscoveries::AllOf(BTreeSet::from([KEPT]));
    let found = sweeping.checker().finish_when(awaited).spawn_bfs().join();
    let states = found.unique_state_count();
    let Some(path) = found.discovery(KEPT) else {
        panic!("without {guard:?} nothing is lost, in all {states} states");
    };
    println!("without {guard:?} it is lost: {:?}", path.into_actions());
}
