//! Reads documents of materials.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use cadmill_domain::{MaterialMap, MaterialMaps, MaterialsError};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{exit::Misuse, terminal::text::plain};

/// The keys of a document that is no plain map.
const KEYS: [&str; 2] = ["part_materials", "manual_overrides"];

/// The maps that a document has; `None` for a map that it leaves out.
#[derive(Debug)]
pub(crate) struct GivenMaps {
    pub(crate) part_materials: Option<MaterialMap>,
    pub(crate) manual_overrides: Option<MaterialMap>,
}

/// Reads `path`: a document with `part_materials` and `manual_overrides`, or one plain map from parts
/// to materials, which are manual overrides.
pub(crate) fn read(path: &Path) -> Result<MaterialMaps> {
    parse_file(path, &read_text(path)?)
}

/// Reads `path` like [`read`], but distinguishes an empty map from one that the document leaves out.
pub(crate) fn read_given(path: &Path) -> Result<GivenMaps> {
    let text = read_text(path)?;
    let maps = parse_file(path, &text)?;
    let is_given = |name: &str| {
        let keys = serde_json::from_str::<serde_json::Map<_, _>>(&text);
        keys.is_ok_and(|keys| keys.contains_key(name))
    };
    let is_plain = !has_only_keys(&text);
    let [part_materials, manual_overrides] = KEYS.map(is_given);
    Ok(GivenMaps {
        part_materials: part_materials.then_some(maps.part_materials),
        manual_overrides: (manual_overrides || is_plain).then_some(maps.manual_overrides),
    })
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .map_err(|error| Misuse(format!("{}: {error}", path.display())))
        .context("the materials cannot be read")
}

fn parse_file(path: &Path, text: &str) -> Result<MaterialMaps> {
    parse(text)
        .map_err(|problem| Misuse(format!("{}{problem}", path.display())))
        .context("the materials cannot be used")
}

/// Parses a document. An error starts with its position: `, line 3, key …: reason`.
fn parse(text: &str) -> Result<MaterialMaps, String> {
    let maps = if has_only_keys(text) {
        deserialize(text)?
    } else {
        MaterialMaps {
            manual_overrides: deserialize::<MaterialMap>(text)?,
            ..MaterialMaps::default()
        }
    };
    maps.check().map_err(|error| {
        let line = match &error {
            MaterialsError::OutOfRange { key, .. } => line_of(text, key.as_str()),
            _ => None,
        };
        let line = line.map_or_else(String::new, |line| format!(", line {line}"));
        format!("{line}: {error}")
    })?;
    Ok(maps)
}

/// Whether the document has no other keys than [`KEYS`].
fn has_only_keys(text: &str) -> bool {
    let keys = serde_json::from_str::<serde_json::Map<_, _>>(text);
    keys.is_ok_and(|keys| keys.keys().all(|key| KEYS.contains(&key.as_str())))
}

fn deserialize<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let key = error.path().to_string();
        describe(text, &key, error.inner())
    })?;
    json.end().map_err(|error| describe(text, ".", &error))?;
    Ok(value)
}

fn describe(text: &str, key: &str, error: &serde_json::Error) -> String {
    let message = error.to_string();
    // The position is already part of the message.
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(reason, _)| reason);
    let key = match key {
        "." => String::new(),
        key => format!(", key `{}`", plain(key)),
    };
    format!(", line {}{key}: {message}", line_of_error(text, error))
}

/// The line of an invalid value. `serde_json` reports it only after it has read the token that follows,
/// which may be on a later line.
fn line_of_error(text: &str, error: &serde_json::Error) -> usize {
    if error.classify() != Category::Data {
        return error.line();
    }
    let lines = text.split_inclusive('\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let read = &text[..text.floor_char_boundary(before + error.column())];
    let follows = |c: char| c.is_whitespace() || matches!(c, '}' | ']' | ',');
    read.trim_end_matches(follows).matches('\n').count() + 1
}

/// The line of the first occurrence of `key`.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let quoted = serde_json::to_string(key).ok()?;
    let before = text.split_once(&quoted)?.0;
    Some(before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap_err(), expected);
    }

    #[test]
    fn a_plain_map_has_manual_overrides() {
        let maps = parse(r##"{"bolt": {"color": "#ff0000"}}"##).unwrap();
        assert_eq!(maps.manual_overrides.len(), 1);
        assert!(maps.part_materials.is_empty());
    }

    #[test]
    fn a_document_has_one_or_both_maps() {
        let maps = parse(r##"{"part_materials": {"bolt": {"color": "#ff0000"}}}"##).unwrap();
        assert_eq!(maps.part_materials.len(), 1);
        assert!(parse("{}").unwrap().is_empty());
    }

    #[test]
    fn an_error_has_its_line_and_key() {
        check(
            "{\n \"manual_overrides\": {\n  \"bolt\": {\"color\": \"red\"}\n }\n}",
            ", line 3, key `manual_overrides.bolt.color`: `red` is not a colour: write it as #rrggbb",
        );
        check(
            "{\n\"nut\": {\"color\": \"#ff0000\"},\n\"bolt\": {\"colour\": \"#ff0000\"}}",
            ", line 3, key `bolt.colour`: unknown field `colour`, expected one of `name`, `color`, \
             `metallic`, `roughness`, `opacity`",
        );
        check(
            "{\n\n\"bolt\": {\"color\": \"#ff0000\", \"opacity\": 2}}",
            ", line 3: `opacity` of `bolt` must lie between 0 and 1, not 2",
        );
        check("{\n\"bolt\"", ", line 2: EOF while parsing an object");
        check("[1]", ", line 1: invalid type: sequence, expected a map");
    }
}
