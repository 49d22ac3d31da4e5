//! The row of the ledger, small enough to be kept a million times. Every change of it is a change
//! of the crate's own [`Row`].

use cadmill_domain::{
    CadFileId, ContentHash, FailureCode, Input, MediaAssetId, MediaKind, Moment, TaskKind, Work,
    fakes::reading_input,
    ledger::{Claim, Fence, Recovery, Row, RowState, WorkerName},
};
use chrono::TimeDelta;
use uuid::Uuid;

/// What something is made of; it stands for an [`Input`].
pub(crate) type Made = u8;

/// Time does not pass: whatever is to be tried again is due at once.
pub(crate) const NOW: Moment = Moment::UNIX_EPOCH;

/// How long a lease runs.
const LEASE: TimeDelta = TimeDelta::seconds(3);

/// How claims are taken back whose owners may be gone.
pub(crate) const UNCONFIRMED: Recovery = Recovery::Unconfirmed {
    lease: LEASE,
    is_free: true,
};

/// When the open claim was last confirmed; `Fresh` if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Confirmation {
    /// Within the lease.
    #[default]
    Fresh,
    /// A lease ago.
    Old,
    /// A lease ago, and its owner is suspected since a moment ago.
    Suspected,
    /// A lease ago, and its owner had time to confirm it after it was suspected.
    Ripe,
}

/// An asset, and the claim under which it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Asset {
    pub(crate) fence: u8,
    pub(crate) made: Made,
}

/// A [`Row`] without what only people read, and without its times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ledger {
    pub(crate) state: RowState,
    pub(crate) desired: Option<Made>,
    pub(crate) running: Option<Made>,
    pub(crate) ready: Option<Made>,
    pub(crate) asset: Option<Asset>,
    pub(crate) fence: u8,
    pub(crate) crashes: u8,
    pub(crate) attempts: u8,
    pub(crate) failure: Option<FailureCode>,
    pub(crate) confirmation: Confirmation,
}

impl Ledger {
    /// Lets `change` run on the row that this stands for.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut Row) -> T) -> T {
        let mut row = self.row();
        let done = change(&mut row);
        *self = Self::of(&row);
        done
    }

    /// Claims the row: the fence and what is to be made.
    pub(crate) fn claim(&mut self) -> Option<(u8, Made)> {
        let claim: Claim = self.change(|row| row.claim(work(), &WorkerName::new("w"), NOW))?;
        Some((claim.fence.0 as u8, made(&claim.input)))
    }

    /// Whether it waits for a worker.
    pub(crate) fn is_queued(&self) -> bool {
        self.state == RowState::Queued
    }

    /// The fence of the claim that is open.
    pub(crate) fn open_fence(&self) -> Option<u8> {
        (self.state == RowState::Running).then_some(self.fence)
    }

    /// Whether nothing is left to be done, unless it is asked for.
    pub(crate) fn is_settled(&self) -> bool {
        match self.state {
            RowState::Idle => self.ready == self.desired,
            RowState::Failed | RowState::Cancelled => true,
            RowState::Queued | RowState::Running => false,
        }
    }

    fn row(&self) -> Row {
        Row {
            state: self.state,
            desired: self.desired.map(input),
            running: self.running.map(input),
            ready: self.ready.map(input),
            asset: self.asset.map(asset_id),
            fence: Fence(self.fence.into()),
            crashes: self.crashes.into(),
            attempts: self.attempts.into(),
            failure: self
                .failure
                .map(|code| cadmill_domain::Failure::new(code, "")),
            confirmed_at: Some(match self.confirmation {
                Confirmation::Fresh => NOW,
                _ => NOW - LEASE,
            }),
            suspected_at: match self.confirmation {
                Confirmation::Fresh | Confirmation::Old => None,
                Confirmation::Suspected => Some(NOW),
                Confirmation::Ripe => Some(NOW - LEASE),
            },
            ..Row::default()
        }
    }

    fn confirmation(row: &Row) -> Confirmation {
        let is_fresh = row.state != RowState::Running || row.confirmed_at == Some(NOW);
        match row.suspected_at {
            _ if is_fresh => Confirmation::Fresh,
            None => Confirmation::Old,
            Some(at) if at == NOW => Confirmation::Suspected,
            Some(_) => Confirmation::Ripe,
        }
    }

    fn of(row: &Row) -> Self {
        Self {
            state: row.state,
            desired: row.desired.as_ref().map(made),
            running: row.running.as_ref().map(made),
            ready: row.ready.as_ref().map(made),
            asset: row.asset.map(asset),
            fence: row.fence.0 as u8,
            crashes: row.crashes as u8,
            attempts: row.attempts as u8,
            failure: row.failure.as_ref().map(|failure| failure.code),
            confirmation: Self::confirmation(row),
        }
    }
}

/// The input that this stands for.
pub(crate) fn input(made: Made) -> Input {
    reading_input(ContentHash::from_digest([made; 32]))
}

/// The id of an asset; it tells all that the check wants to know of it.
pub(crate) fn asset_id(asset: Asset) -> MediaAssetId {
    MediaAssetId::from_uuid(Uuid::from_u128(
        u128::from(asset.fence) << 8 | u128::from(asset.made),
    ))
}

fn asset(id: MediaAssetId) -> Asset {
    let number = id.as_uuid().as_u128();
    Asset {
        fence: (number >> 8) as u8,
        made: number as u8,
    }
}

fn made(input: &Input) -> Made {
    input.source().as_bytes()[0]
}

fn work() -> Work {
    Work {
        cad_file_id: CadFileId::from_uuid(Uuid::nil()),
        kind: TaskKind::Make(MediaKind::GltfGeometry),
    }
}
