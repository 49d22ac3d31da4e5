//! Parses the values of keys.

use std::{num::NonZeroU64, time::Duration};

use axum::http::HeaderValue;
use clap::ValueEnum as _;
use serde::{Deserialize as _, Deserializer, de::Error as _};

use super::recipe::NamedRecipe;
use crate::quantity;

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(deserializer, quantity::duration)
}

pub(super) fn optional_duration<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse(deserializer, quantity::bytes)
}

pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    parse(deserializer, quantity::memory).map(Some)
}

pub(super) fn bytes_or_off<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<NonZeroU64>, D::Error> {
    parse(deserializer, |text| match text {
        "off" => Ok(None),
        text => quantity::bytes(text)
            .map(NonZeroU64::new)
            .map_err(|error| format!("{error}, or `off`")),
    })
}

pub(super) fn recipe<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NamedRecipe, D::Error> {
    parse(deserializer, |text| {
        NamedRecipe::from_str(text, true)
            .map_err(|_| "no such recipe; write draft, standard or fine".to_owned())
    })
}

pub(super) fn origins<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<HeaderValue>, D::Error> {
    let origin = |text: String| {
        let is_origin = text.contains("://") && !text.ends_with('/');
        let value = HeaderValue::try_from(&text).ok().filter(|_| is_origin);
        value.ok_or_else(|| D::Error::custom(format!("`{text}` is no origin (`https://host`)")))
    };
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.into_iter().map(origin).collect()
}

/// Parses a text; the error shows it.
fn parse<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}
