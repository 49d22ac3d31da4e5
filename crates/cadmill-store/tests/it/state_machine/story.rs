//! What stories are made of: steps that are drawn before it is known what there will be to act on.

use cadmill_domain::{
    FailureCode, MissingFilter, MissingRequest, Moment, Priority, Remnant, Request, TaskKind,
    WorkerName,
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
    Next(usize),
    /// Claims any work.
    Claim(Index, TaskKind),
    /// Claims what is among the first in the queue.
    Take(usize),
    Progress(Which),
    Publish(Which),
    PublishCached(Which, Index),
    Fail(Which),
    Delay(Which),
    HandBack(Which),
    Recover(Which),
    Cancel(Index, TaskKind),
    Paint(Index, u8, bool),
    Bytes(Index, u8, Request),
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
            Self::Next(limit) => Act::Next(*limit),
            Self::Claim(index, kind) => Act::Claim(file(index), *kind, worker),
            Self::Take(place) => {
                let queue = model.next(*place + 1).await;
                let (file, kind) = *queue.last()?;
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
            Self::Recover(which) => Act::Recover(which.resolve(model, tickets).await?),
            Self::Cancel(index, kind) => Act::Cancel(file(index), *kind),
            Self::Paint(index, tone, by_hand) => Act::Paint {
                file: file(index),
                tone: *tone,
                by_hand: *by_hand,
            },
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
        1 => (0..6_usize).prop_map(Draw::Next),
        2 => (index(), any_kind()).prop_map(|(file, kind)| Draw::Claim(file, kind)),
        8 => (0..3_usize).prop_map(Draw::Take),
        1 => any_claim().prop_map(Draw::Progress),
        8 => any_claim().prop_map(Draw::Publish),
        3 => (any_claim(), index()).prop_map(|(which, asset)| Draw::PublishCached(which, asset)),
        2 => any_claim().prop_map(Draw::Fail),
        1 => any_claim().prop_map(Draw::Delay),
        2 => any_claim().prop_map(Draw::HandBack),
        2 => any_claim().prop_map(Draw::Recover),
        1 => (index(), any_kind()).prop_map(|(file, kind)| Draw::Cancel(file, kind)),
        2 => (index(), 0..2_u8, any::<bool>()).prop_map(|(file, tone, by_hand)| Draw::Paint(file, tone, by_hand)),
        2 => (index(), 0..2_u8, any_request()).prop_map(|(file, version, request)| Draw::Bytes(file, version, request)),
    ]
}

/// What is left of earlier tries is counted before it is asked for, so at once with others the count
/// may be that of no order.
fn of_all_files(mut draw: Draw) -> Draw {
    if let Draw::RequestMissing(request) = &mut draw {
        request.filter.only = None;
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

fn any_request() -> impl Strategy<Value = Request> {
    let priority = select(vec![Priority::Bulk, Priority::Asked, Priority::Upload]);
    let again = proptest::bool::weighted(0.3);
    (priority, any::<bool>(), again).prop_map(|(priority, retry_failed, again)| Request {
        priority,
        retry_failed,
        again,
    })
}

fn any_missing() -> impl Strategy<Value = MissingRequest> {
    let names = vec![None, None, Some("bracket"), Some("T 1.Step"), Some("gear")];
    let flags = (any::<bool>(), proptest::bool::weighted(0.2));
    let only = vec![
        None,
        None,
        Some(Remnant::Stale),
        Some(Remnant::Failed(None)),
        Some(Remnant::Failed(Some(FailureCode::KernelError))),
        Some(Remnant::Failed(Some(FailureCode::KernelCrash))),
    ];
    let filter = (select(names), select(only));
    (any_kind(), filter, flags).prop_map(|(kind, (name, only), (include_failed, dry_run))| {
        MissingRequest {
            kind,
            filter: MissingFilter {
                name_contains: name.map(str::to_owned),
                only,
            },
            include_failed,
            dry_run,
        }
    })
}
