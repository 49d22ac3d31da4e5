//! What stories are made of: steps that are drawn before it is known what there will be to act on.

use cadmill_domain::{
    CadFileId, FailureCode, Moment, TaskKind, Work,
    ledger::{
        MissingFilter, MissingReason, MissingRequest, Priority, QueuedWork, Recovery, Request,
        Requester, Turns, WorkQuery, WorkerName,
    },
};
use chrono::TimeDelta;
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use super::{
    act::{Act, Made, Ticket},
    side::Side,
};

/// A step of a story.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// One client does something.
    One(Draw),
    /// Several do something at once.
    AtOnce(Vec<Draw>),
    /// So many seconds go by.
    Wait(i64),
}

/// An operation on something that is there when its turn comes.
#[derive(Debug, Clone)]
pub(crate) enum Draw {
    Request(Index, TaskKind, Request),
    RequestMissing(MissingRequest),
    Next(WorkQuery),
    /// Claims any work.
    Claim(Index, TaskKind),
    /// Claims what is among the first in the queue.
    Take(usize),
    Progress(Which),
    Publish(Which),
    PublishCoarser(Which),
    PublishCached(Which, Index),
    Fail(Which),
    Delay(Which),
    HandBack(Which),
    Confirm(Which),
    Recover(Which, Recovery),
    Cancel(Index, TaskKind),
    Paint(Index, u8, bool),
    Bytes(Index, u8, Request),
    /// The bytes of a medium, or of a source, are lost or found.
    Lose(Index, bool),
    Find(Index),
}

/// Which claim: one that is open, or any that ever was.
#[derive(Debug, Clone)]
pub(crate) enum Which {
    Open(Index),
    Any(Index),
}

impl Draw {
    /// The operation, if there is something to act on.
    pub(crate) async fn resolve(
        &self,
        model: &Side,
        tickets: &[Ticket],
        number: u32,
        now: Moment,
    ) -> Option<Act> {
        let file = |index: &Index| index.index(model.files());
        let worker = WorkerName::new(format!("mill-{number}"));
        Some(match self {
            Self::Request(index, kind, request) => Act::Request(file(index), *kind, *request),
            Self::RequestMissing(request) => Act::RequestMissing(request.clone()),
            Self::Next(query) => Act::Next(query.clone()),
            Self::Claim(index, kind) => Act::Claim(file(index), *kind, worker),
            Self::Take(place) => {
                let queue = model.next(&WorkQuery::first(*place + 1)).await;
                let (file, kind, ..) = *queue.last()?;
                Act::Claim(file, kind, worker)
            }
            Self::Progress(which) => {
                let ticket = which.resolve(model, tickets).await?;
                Act::Progress(ticket, f64::from(number) / 1e3)
            }
            Self::Publish(which) => {
                let ticket = which.resolve(model, tickets).await?;
                Act::Publish(ticket, Made::New(number))
            }
            Self::PublishCoarser(which) => {
                let ticket = which.resolve(model, tickets).await?;
                Act::Publish(ticket, Made::Coarser(number))
            }
            Self::PublishCached(which, index) => {
                let ticket = which.resolve(model, tickets).await?;
                let made = cached(model, &ticket, index).await;
                Act::Publish(ticket, made.unwrap_or(Made::New(number)))
            }
            Self::Fail(which) => Act::Fail(which.resolve(model, tickets).await?, None),
            Self::Delay(which) => {
                let retry_at = now + TimeDelta::seconds(10);
                Act::Fail(which.resolve(model, tickets).await?, Some(retry_at))
            }
            Self::HandBack(which) => Act::HandBack(which.resolve(model, tickets).await?),
            Self::Confirm(which) => Act::Confirm(which.resolve(model, tickets).await?),
            Self::Recover(which, recovery) => {
                Act::Recover(which.resolve(model, tickets).await?, *recovery)
            }
            Self::Cancel(index, kind) => Act::Cancel(file(index), *kind),
            Self::Paint(index, tone, by_hand) => Act::Paint {
                file: file(index),
                tone: *tone,
                by_hand: *by_hand,
            },
            Self::Lose(index, of_source) => {
                let blobs = model.blobs(*of_source).await;
                Act::Lose(*(!blobs.is_empty()).then(|| index.get(&blobs))?)
            }
            Self::Find(index) => Act::Find(*index.get(&model.blobs(true).await)),
            Self::Bytes(index, version, request) => Act::Bytes(file(index), *version, *request),
        })
    }
}

impl Which {
    async fn resolve(&self, model: &Side, tickets: &[Ticket]) -> Option<Ticket> {
        let (open, index);
        let (from, index) = match self {
            Self::Open(at) => {
                open = model.open_tickets().await;
                index = at;
                (&*open, index)
            }
            Self::Any(index) => (tickets, index),
        };
        (!from.is_empty()).then(|| index.get(from).clone())
    }
}

/// An asset of the same input if there is one, else any; of a task that makes none, nothing.
async fn cached(model: &Side, ticket: &Ticket, index: &Index) -> Option<Made> {
    let medium = ticket.kind.medium()?;
    let all = model.assets().await;
    let fits = all.iter();
    let fits = fits.filter(|key| key.kind == medium && key.input == ticket.input);
    let fits: Vec<_> = fits.cloned().collect();
    let from = if fits.is_empty() { all } else { fits };
    (!from.is_empty()).then(|| Made::Cached(index.get(&from).clone()))
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_draw().prop_map(Step::One),
        5 => vec(any_draw().prop_map(of_all_files), 2..=4).prop_map(Step::AtOnce),
        1 => (1..30_i64).prop_map(Step::Wait),
    ]
}

fn any_draw() -> impl Strategy<Value = Draw> {
    let index = any::<Index>;
    prop_oneof![
        4 => (index(), any_kind(), any_request()).prop_map(|(file, kind, request)| Draw::Request(file, kind, request)),
        2 => any_missing().prop_map(Draw::RequestMissing),
        2 => any_query().prop_map(Draw::Next),
        2 => (index(), any_kind()).prop_map(|(file, kind)| Draw::Claim(file, kind)),
        8 => (0..3_usize).prop_map(Draw::Take),
        1 => any_claim().prop_map(Draw::Progress),
        8 => any_claim().prop_map(Draw::Publish),
        3 => any_claim().prop_map(Draw::PublishCoarser),
        3 => (any_claim(), index()).prop_map(|(which, asset)| Draw::PublishCached(which, asset)),
        2 => any_claim().prop_map(Draw::Fail),
        1 => any_claim().prop_map(Draw::Delay),
        2 => any_claim().prop_map(Draw::HandBack),
        2 => any_claim().prop_map(Draw::Confirm),
        3 => (any_claim(), any_recovery()).prop_map(|(which, recovery)| Draw::Recover(which, recovery)),
        1 => (index(), any_kind()).prop_map(|(file, kind)| Draw::Cancel(file, kind)),
        2 => (index(), 0..2_u8, any::<bool>()).prop_map(|(file, tone, by_hand)| Draw::Paint(file, tone, by_hand)),
        2 => (index(), 0..2_u8, any_request()).prop_map(|(file, version, request)| Draw::Bytes(file, version, request)),
        2 => (index(), proptest::bool::weighted(0.3)).prop_map(|(blob, of_source)| Draw::Lose(blob, of_source)),
        1 => index().prop_map(Draw::Find),
    ]
}

/// What is left of earlier tries is counted before it is asked for, so at once with others the count
/// may be that of no order.
///
/// A source that is lost while another file gets the same bytes may be lost for one of them only;
/// the finder of a loss looks for the bytes once more after it was written.
fn of_all_files(mut draw: Draw) -> Draw {
    match &mut draw {
        Draw::RequestMissing(request) => request.filter.only = None,
        Draw::Lose(_, of_source) => *of_source = false,
        _ => {}
    }
    // It waits for no other transaction, so at once with others it may do nothing.
    if let Draw::Recover(which, _) = draw {
        draw = Draw::HandBack(which);
    }
    draw
}

fn any_kind() -> impl Strategy<Value = TaskKind> {
    select(TaskKind::ALL.to_vec())
}

fn any_claim() -> impl Strategy<Value = Which> {
    prop_oneof![
        5 => any::<Index>().prop_map(Which::Open),
        1 => any::<Index>().prop_map(Which::Any),
    ]
}

fn any_recovery() -> impl Strategy<Value = Recovery> {
    let lease = TimeDelta::seconds(15);
    let unconfirmed = |is_free| Recovery::Unconfirmed { lease, is_free };
    select(vec![Recovery::Ended, unconfirmed(true), unconfirmed(false)])
}

fn any_request() -> impl Strategy<Value = Request> {
    let priority = select(vec![Priority::Bulk, Priority::Asked, Priority::Upload]);
    let force = proptest::bool::weighted(0.3);
    let retry_coarser = proptest::bool::weighted(0.2);
    let how = (
        priority,
        any::<bool>(),
        force,
        any_requester(),
        retry_coarser,
    );
    how.prop_map(
        |(priority, retry_failed, force, requester, retry_coarser)| Request {
            priority,
            retry_failed,
            force,
            requester,
            retry_coarser,
        },
    )
}

fn any_requester() -> impl Strategy<Value = Requester> {
    (0..3_u8).prop_map(|number| match number {
        0 => Requester::SHARED,
        number => Requester::SHARED.project(&number.to_string()),
    })
}

/// A look by a worker that has given some turns.
fn any_query() -> impl Strategy<Value = WorkQuery> {
    let priority = select(Priority::ALL.to_vec());
    let taken = (any_kind(), priority, any_requester());
    let taken = vec(taken, 0..4);
    (0..8_usize, 0..8_usize, taken).prop_map(|(reads, makes, taken)| {
        let mut turns = Turns::default();
        for (kind, priority, requester) in taken {
            let cad_file_id = CadFileId::from_uuid(uuid::Uuid::nil());
            turns.took(&QueuedWork {
                work: Work { cad_file_id, kind },
                priority,
                requester,
            });
        }
        WorkQuery {
            reads,
            makes,
            turns,
        }
    })
}

fn any_missing() -> impl Strategy<Value = MissingRequest> {
    let names = vec![None, None, Some("bracket"), Some("T 1.Step"), Some("gear")];
    let flags = (any::<bool>(), proptest::bool::weighted(0.2));
    let only = vec![
        None,
        None,
        Some(MissingReason::Stale),
        Some(MissingReason::Failed(None)),
        Some(MissingReason::Failed(Some(FailureCode::KernelError))),
        Some(MissingReason::Failed(Some(FailureCode::KernelCrash))),
    ];
    let filter = (select(names), select(only));
    let requests = (any_kind(), filter, flags, any_requester());
    requests.prop_map(
        |(kind, (name, only), (include_failed, dry_run), requester)| MissingRequest {
            requester,
            kind,
            filter: MissingFilter {
                name_contains: name.map(str::to_owned),
                only,
            },
            include_failed,
            dry_run,
        },
    )
}
