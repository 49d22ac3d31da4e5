//! The commands, each with its arguments and its `run`.

pub(crate) mod adopt;
pub(crate) mod api;
pub(crate) mod completions;
pub(crate) mod convert;
pub(crate) mod doctor;
pub(crate) mod gc;
pub(crate) mod generate_missing;
pub(crate) mod health;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod man;
pub(crate) mod materials;
pub(crate) mod migrate;
pub(crate) mod retry;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod worker;
