//! The order of the queue against the plainest model: one piece of work is taken at a time, and
//! the requester behind the last one in a circle has the next turn.

use cadmill_domain::{
    CadFileId, Clock as _, ContentHash, Moment, TaskKind, Work,
    contract::plan,
    fakes::{ManualClock, reading_input},
    ledger::{
        Lane, Priority, QueuedWork, Request, Requester, Row, Turns, WorkQuery, WorkerName,
        first_in_queue,
    },
};
use chrono::TimeDelta;
use proptest::{collection::vec, prelude::*, sample::select};
use uuid::Uuid;

/// A row of the queue; some are put off, or running.
#[derive(Debug, Clone)]
struct Queued {
    kind: TaskKind,
    priority: Priority,
    requester: Requester,
    age_s: i64,
    put_off_s: Option<i64>,
    is_running: bool,
}

impl Queued {
    fn row(&self, work: Work, now: Moment) -> Row {
        let mut row = Row::default();
        let request = Request {
            priority: self.priority,
            requester: self.requester,
            ..Request::BULK
        };
        let input = reading_input(ContentHash::of(b"input"));
        row.request(&input, request, now - TimeDelta::seconds(self.age_s));
        if self.is_running {
            row.claim(work, &WorkerName::new("worker"), now);
        }
        row.not_before = self.put_off_s.map(|delay| now + TimeDelta::seconds(delay));
        row
    }
}

/// What is taken next of what is left.
fn take(left: &mut Vec<(Work, Row)>, lane: Lane, turns: &mut Turns) -> Option<Work> {
    let of_lane = || left.iter().filter(|(work, _)| Lane::of(work.kind) == lane);
    let priority = of_lane().map(|(_, row)| row.priority).max()?;
    let of_priority = || of_lane().filter(|(_, row)| row.priority == priority);
    let last = turns.last(lane, priority);
    let behind = of_priority().map(|(_, row)| row.requester);
    let behind = behind.filter(|requester| last.is_none_or(|last| *requester > last));
    let requester = behind
        .min()
        .or_else(|| of_priority().map(|(_, row)| row.requester).min())?;
    let of_requester = of_priority().filter(|(_, row)| row.requester == requester);
    let (work, _) = of_requester.min_by_key(|(work, row)| (row.requested_at, *work))?;
    let work = *work;
    turns.took(&QueuedWork {
        work,
        priority,
        requester,
    });
    left.retain(|(other, _)| *other != work);
    Some(work)
}

proptest! {
    /// A look gives what would be taken one at a time, in the same order.
    #[test]
    fn a_look_is_like_taking_one_at_a_time(
        queue in vec(any_queued(), 0..40),
        limits in (0..12_usize, 0..12_usize),
        turns in any_turns(),
    ) {
        let clock = ManualClock::new();
        let now = clock.now();
        let rows: Vec<_> = queue.iter().enumerate().map(|(number, queued)| {
            // Two rows may be of one file.
            let cad_file_id = CadFileId::from_uuid(Uuid::from_u128(number as u128 / 2));
            let work = Work { cad_file_id, kind: queued.kind };
            (work, queued.row(work, now))
        }).collect();
        let rows: std::collections::BTreeMap<_, _> = rows.into_iter().collect();
        let (reads, makes) = limits;
        let query = WorkQuery { reads, makes, turns: turns.clone() };
        let found = first_in_queue(rows.iter().map(|(work, row)| (*work, row)), &query, now);
        let mut left: Vec<_> = rows.into_iter().filter(|(_, row)| row.is_due(now)).collect();
        let mut turns = turns;
        let mut expected = Vec::new();
        for (lane, limit) in [(Lane::Read, reads), (Lane::Make, makes)] {
            expected.extend((0..limit).map_while(|_| take(&mut left, lane, &mut turns)));
        }
        let found: Vec<_> = found.into_iter().map(|queued| queued.work).collect();
        prop_assert_eq!(found, expected);
    }

    /// However much one requester has, the work of another waits for at most one turn of each.
    #[test]
    fn nobody_waits_for_more_than_one_round(many in 1..200_usize, others in 1..6_u128) {
        let clock = ManualClock::new();
        let now = clock.now();
        let row = |requester: Requester, age_s| {
            let mut row = Row::default();
            let request = Request { requester, ..Request::BULK };
            let input = reading_input(ContentHash::of(b"input"));
            row.request(&input, request, now - TimeDelta::seconds(age_s));
            row
        };
        let kind = TaskKind::Make(cadmill_domain::MediaKind::GltfGeometry);
        let work = |number: u128| Work { cad_file_id: CadFileId::from_uuid(Uuid::from_u128(number)), kind };
        let mut rows: Vec<_> = (0..many as u128).map(|n| (work(n), row(Requester::SHARED, 100))).collect();
        for other in 0..others {
            let requester = Requester::SHARED.project(&other.to_string());
            rows.push((work(1_000 + other), row(requester, 0)));
        }
        let round = others as usize + 1;
        let query = WorkQuery::first(round);
        let found = first_in_queue(rows.iter().map(|(work, row)| (*work, row)), &query, now);
        let mut requesters: Vec<_> = found.iter().map(|queued| queued.requester).collect();
        requesters.dedup();
        prop_assert_eq!(requesters.len(), round);
    }
}

fn any_queued() -> impl Strategy<Value = Queued> {
    let kinds: Vec<_> = plan().kinds().collect();
    let put_off = prop_oneof![4 => Just(None), 1 => (-3..3_i64).prop_map(Some)];
    (
        select(kinds),
        select(Priority::ALL.to_vec()),
        any_requester(),
        0..4_i64,
        put_off,
        proptest::bool::weighted(0.1),
    )
        .prop_map(
            |(kind, priority, requester, age_s, put_off_s, is_running)| Queued {
                kind,
                priority,
                requester,
                age_s,
                put_off_s,
                is_running,
            },
        )
}

fn any_requester() -> impl Strategy<Value = Requester> {
    (1..6_u128).prop_map(|number| Requester::from_uuid(Uuid::from_u128(number)))
}

fn any_turns() -> impl Strategy<Value = Turns> {
    let kinds: Vec<_> = plan().kinds().collect();
    let taken = (
        select(kinds),
        select(Priority::ALL.to_vec()),
        any_requester(),
    );
    vec(taken, 0..4).prop_map(|taken| {
        let mut turns = Turns::default();
        for (kind, priority, requester) in taken {
            let cad_file_id = CadFileId::from_uuid(Uuid::nil());
            let work = Work { cad_file_id, kind };
            turns.took(&QueuedWork {
                work,
                priority,
                requester,
            });
        }
        turns
    })
}
