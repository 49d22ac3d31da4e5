//! Places in a sorted list, as opaque texts that clients hand back to get the next page.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    CadFile, CadFileId, Moment, Work,
    ledger::{Priority, Requester, RowState},
};

/// The text is no cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// It was made by nobody, or by another version.
    #[error("the cursor cannot be read; begin again without one")]
    Unreadable,
    /// It belongs to a list that is sorted in another way.
    #[error("the cursor belongs to a list that is sorted in another way; begin again without one")]
    OtherOrder,
}

/// By what files are sorted; ties go by id.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SortKey {
    /// By their name, in the order of its bytes.
    Name,
    /// By when they were brought in.
    #[default]
    CreatedAt,
    /// By when their bytes or materials last changed.
    UpdatedAt,
}

/// Which way.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The lowest first.
    #[default]
    Ascending,
    /// The highest first.
    Descending,
}

/// How a list of files is sorted.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct CadFileOrder {
    /// By what.
    pub key: SortKey,
    /// Which way.
    pub direction: Direction,
}

/// The value by which a file is sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortValue {
    /// Its name.
    Name(String),
    /// When it was brought in, or last changed.
    Moment(Moment),
}

/// Behind which file a page begins. Files that come and go do not move it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CadFileCursor {
    order: CadFileOrder,
    value: SortValue,
    id: CadFileId,
}

impl CadFileOrder {
    /// What `file` is sorted by.
    #[must_use]
    pub fn value(&self, file: &CadFile) -> SortValue {
        match self.key {
            SortKey::Name => SortValue::Name(file.name.clone()),
            SortKey::CreatedAt => SortValue::Moment(file.created_at),
            SortKey::UpdatedAt => SortValue::Moment(file.updated_at),
        }
    }
}

impl CadFileCursor {
    /// The place behind `file`.
    #[must_use]
    pub fn behind(file: &CadFile, order: CadFileOrder) -> Self {
        Self {
            order,
            value: order.value(file),
            id: file.id,
        }
    }

    /// The cursor with this text, of a list that is sorted so.
    ///
    /// # Errors
    /// If it is none, or of a list that is sorted in another way.
    pub fn parse(text: &str, order: CadFileOrder) -> Result<Self, CursorError> {
        let cursor: Self = from_text(text)?;
        let fits = matches!(
            (order.key, &cursor.value),
            (SortKey::Name, SortValue::Name(_))
                | (
                    SortKey::CreatedAt | SortKey::UpdatedAt,
                    SortValue::Moment(_)
                )
        );
        if fits && cursor.order == order {
            Ok(cursor)
        } else {
            Err(CursorError::OtherOrder)
        }
    }

    /// Its text: letters, digits, `-` and `_`.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(self)
    }

    /// The order of its list.
    #[must_use]
    pub const fn order(&self) -> CadFileOrder {
        self.order
    }

    /// The value of the file.
    #[must_use]
    pub const fn value(&self) -> &SortValue {
        &self.value
    }

    /// The file.
    #[must_use]
    pub const fn id(&self) -> CadFileId {
        self.id
    }
}

/// A part of the list of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkPart {
    /// What workers are at: by priority, then age.
    Running,
    /// What may be claimed: by priority, requester and age.
    Waiting,
    /// What is put off until a moment: by that moment.
    PutOff,
}

/// Behind which work a page begins: the place that it had when it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkCursor {
    /// Running or queued.
    pub state: RowState,
    /// Its priority.
    pub priority: Priority,
    /// For whom it was to be done.
    pub requester: Requester,
    /// Until when it was put off.
    pub not_before: Option<Moment>,
    /// Since when it was wanted.
    pub requested_at: Option<Moment>,
    /// The work.
    pub work: Work,
}

impl WorkPart {
    /// All parts, in their order.
    pub const ALL: [Self; 3] = [Self::Running, Self::Waiting, Self::PutOff];
}

impl WorkCursor {
    /// The cursor with this text.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> Result<Self, CursorError> {
        from_text(text)
    }

    /// Its text: letters, digits, `-` and `_`.
    #[must_use]
    pub fn to_text(&self) -> String {
        to_text(self)
    }

    /// The part of the list that it is in.
    #[must_use]
    pub const fn part(&self) -> WorkPart {
        match (self.state, self.not_before) {
            (RowState::Running, _) => WorkPart::Running,
            (_, None) => WorkPart::Waiting,
            (_, Some(_)) => WorkPart::PutOff,
        }
    }

    /// What the list of work is sorted by.
    #[must_use]
    pub fn place(&self) -> impl Ord + use<> {
        let (part, rank) = (self.part(), -self.priority.rank());
        let (due, rank, requester, age) = match part {
            WorkPart::Running => (None, rank, Requester::SHARED, self.requested_at),
            WorkPart::Waiting => (None, rank, self.requester, self.requested_at),
            WorkPart::PutOff => (self.not_before, 0, Requester::SHARED, None),
        };
        (part, due, rank, requester, age, self.work)
    }
}

/// What every cursor of this version begins with.
const VERSION: char = '1';

fn to_text(cursor: &impl Serialize) -> String {
    // Plain structures can always be written.
    let json = serde_json::to_vec(cursor).unwrap_or_default();
    format!("{VERSION}{}", URL_SAFE_NO_PAD.encode(json))
}

fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, CursorError> {
    let coded = text.strip_prefix(VERSION).ok_or(CursorError::Unreadable)?;
    let json = URL_SAFE_NO_PAD.decode(coded);
    let json = json.map_err(|_| CursorError::Unreadable)?;
    serde_json::from_slice(&json).map_err(|_| CursorError::Unreadable)
}
