//! The pure ledger under any sequence of operations: a [`Row`] by itself, and the rows of a file whose
//! bytes and materials change.

mod world;

use cadmill_domain::{
    CadFileId, Clock as _, ContentHash, Input, MediaKind, TaskKind, Work,
    fakes::{ManualClock, reading_input},
    ledger::{Fence, Priority, Request, Requested, Requester, Row, RowState, WorkerName},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use self::world::{Close, Step, World};

const GLB: TaskKind = TaskKind::Make(MediaKind::GltfGeometry);
const MAX_STEPS: usize = 60;

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_keeps_the_invariants(steps in vec(any_step(), 0..MAX_STEPS)) {
        let mut world = World::new();
        for step in &steps {
            let before = world.rows.clone();
            world.step(step);
            world.check(&before);
        }
    }

    #[test]
    fn any_sequence_ends_with_all_media_of_the_newest_file(steps in vec(any_step(), 0..MAX_STEPS)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        // All workers stop and their leases expire. Then every kind is requested once.
        for claim in world.claims.clone() {
            world.close(Close::Recover, &claim);
        }
        for kind in TaskKind::ALL {
            world.with_rows(|file_rows| file_rows.request(kind, Request::ASKED));
        }
        world.work_off();
        for kind in TaskKind::ALL {
            let row = &world.rows[&kind];
            prop_assert_eq!(row.state, RowState::Idle, "I6: {} is done", kind);
            prop_assert_eq!(row.ready.as_ref(), Some(&world.input(kind)), "I4: {} is the newest", kind);
        }
        prop_assert_eq!(world.work_off(), 0, "what is done is not done again");
    }

    #[test]
    fn an_upload_brings_all_media_whatever_happened_to_bytes_and_materials(
        steps in vec(prop_oneof![bytes(), materials(), claim(), publish(), hand_back()], 0..MAX_STEPS),
    ) {
        let mut world = World::new();
        world.with_rows(|file_rows| file_rows.request(TaskKind::ProcessStep, Request::BULK));
        for step in &steps {
            world.step(step);
        }
        for claim in world.claims.clone() {
            world.close(Close::HandBack, &claim);
        }
        world.work_off();
        for kind in TaskKind::ALL {
            let found = world.rows.get(&kind).and_then(|row| row.ready.clone());
            prop_assert_eq!(found, Some(world.input(kind)), "I7: nothing of the chain is lost: {}", kind);
        }
    }

    #[test]
    fn what_was_lost_is_made_again(
        steps in vec(
            prop_oneof![bytes(), materials(), claim(), publish(), hand_back(), medium_lost()],
            0..MAX_STEPS,
        ),
        is_source_lost in any::<bool>(),
    ) {
        let mut world = World::new();
        world.with_rows(|file_rows| file_rows.request(TaskKind::ProcessStep, Request::BULK));
        for step in &steps {
            world.step(step);
        }
        if is_source_lost {
            world.step(&Step::Lose(TaskKind::ProcessStep));
        }
        for claim in world.claims.clone() {
            world.close(Close::HandBack, &claim);
        }
        if is_source_lost {
            world.step(&Step::Lose(TaskKind::ProcessStep));
        }
        world.step(&Step::Find);
        world.work_off();
        for kind in TaskKind::ALL {
            let found = world.rows.get(&kind).and_then(|row| row.ready.clone());
            prop_assert_eq!(found, Some(world.input(kind)), "it is asked for by itself: {}", kind);
        }
    }

    #[test]
    fn requests_during_a_run_give_one_more_run_or_none(
        wanted in vec((0..3_u8, any_request()), 1..100),
    ) {
        let clock = ManualClock::new();
        let now = clock.now();
        let id = CadFileId::generate(&clock);
        let work = Work { cad_file_id: id, kind: GLB };
        let mut row = Row::default();
        row.request(&input(0), Request::BULK, now);
        let claim = row.claim(work, &WorkerName::new("mill-1"), now).unwrap();
        for (version, request) in &wanted {
            let became = row.request(&input(*version), *request, now);
            prop_assert_eq!(became, Requested::InFlight, "a request during a run is merged");
        }
        let last = wanted.last().unwrap().0;
        let again = row.publish(claim.fence, None, None, now);
        prop_assert_eq!(again, Some(last != 0), "I5: one more run if another input is wanted last");
        if let Some(claim) = row.claim(work, &WorkerName::new("mill-1"), now) {
            prop_assert_eq!(&claim.input, &input(last), "I5: of the input that was wanted last");
            prop_assert_eq!(row.publish(claim.fence, None, None, now), Some(false), "I5: one more run");
        }
        prop_assert!(row.has(&input(last)), "I4: the newest is there");
        prop_assert!(row.claim(work, &WorkerName::new("mill-1"), now).is_none(), "I5: no third run");
        prop_assert!(row.fence <= Fence(2), "I5: two runs at most");
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    let how = [
        Close::Publish,
        Close::Publish,
        Close::PublishCoarser,
        Close::Fail,
        Close::Delay,
        Close::HandBack,
        Close::Recover,
    ];
    prop_oneof![
        3 => (any_kind(), any_request()).prop_map(|(kind, request)| Step::Request(kind, request)),
        5 => claim(),
        7 => (select(how.to_vec()), any::<Index>()).prop_map(|(how, which)| Step::Close(how, which)),
        1 => any_kind().prop_map(Step::Cancel),
        1 => bytes(),
        1 => materials(),
        1 => any_kind().prop_map(Step::Lose),
        1 => Just(Step::Find),
        1 => Just(Step::Wait),
    ]
}

fn any_kind() -> impl Strategy<Value = TaskKind> {
    select(TaskKind::ALL.to_vec())
}

fn any_request() -> impl Strategy<Value = Request> {
    let priority = select(vec![Priority::Bulk, Priority::Asked, Priority::Upload]);
    let force = proptest::bool::weighted(0.2);
    let retry_coarser = proptest::bool::weighted(0.2);
    let how = (priority, any::<bool>(), force, retry_coarser);
    how.prop_map(|(priority, retry_failed, force, retry_coarser)| Request {
        priority,
        retry_failed,
        force,
        requester: Requester::SHARED,
        retry_coarser,
    })
}

fn claim() -> impl Strategy<Value = Step> {
    any_kind().prop_map(Step::Claim)
}

fn publish() -> impl Strategy<Value = Step> {
    any::<Index>().prop_map(|which| Step::Close(Close::Publish, which))
}

fn hand_back() -> impl Strategy<Value = Step> {
    any::<Index>().prop_map(|which| Step::Close(Close::HandBack, which))
}

fn medium_lost() -> impl Strategy<Value = Step> {
    let media = select(MediaKind::ALL.to_vec());
    media.prop_map(|kind| Step::Lose(TaskKind::Make(kind)))
}

fn bytes() -> impl Strategy<Value = Step> {
    (0..2_u8).prop_map(Step::Bytes)
}

fn materials() -> impl Strategy<Value = Step> {
    (0..2_u8).prop_map(Step::Paint)
}

fn input(version: u8) -> Input {
    reading_input(ContentHash::of(&[version]))
}
