//! Entity tags and the conditions on them (RFC 9110, sections 8.8 and 13).

use axum::http::{HeaderMap, HeaderValue, header};
use cadmill_domain::{ContentHash, cad_file::Revision};
use serde::Serialize;

use crate::{
    extract::header_text,
    problem::{Code, Problem},
};

/// How many digits of a hash tell two states of a file apart.
const DIGEST_DIGITS: usize = 16;

/// A strong tag, in its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// That of bytes with this hash.
    pub(crate) fn of_bytes(hash: &ContentHash) -> Self {
        Self(format!("\"{hash}\""))
    }

    /// That of a file at this revision that is shown as `body`: `"<revision>-<digest>"`. The digest
    /// also changes when a medium does.
    pub(crate) fn of_file(revision: Revision, body: &impl Serialize) -> Self {
        // Plain structures can always be written.
        let json = serde_json::to_vec(body).unwrap_or_default();
        let digest = ContentHash::of(&json).to_string();
        Self(format!("\"{revision}-{}\"", &digest[..DIGEST_DIGITS]))
    }

    /// That of the materials of a file at this revision.
    pub(crate) fn of_revision(revision: Revision) -> Self {
        Self(format!("\"{revision}\""))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        // Digits, `-` and quotes.
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }

    /// Whether the client has this state already (`If-None-Match`, compared weakly).
    pub(crate) fn is_known(&self, headers: &HeaderMap) -> Result<bool, Problem> {
        let sent = header_text(headers, &header::IF_NONE_MATCH)?;
        Ok(sent.is_some_and(|sent| {
            tags(sent).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == self.0)
        }))
    }

    /// Whether a range of this state is what the client wants (`If-Range`, compared strongly).
    pub(crate) fn allows_range(&self, headers: &HeaderMap) -> Result<bool, Problem> {
        let sent = header_text(headers, &header::IF_RANGE)?;
        Ok(sent.is_none_or(|sent| sent.trim() == self.0))
    }
}

/// The revision that a change is meant for (`If-Match`): the first part of a tag, with or without its
/// second. Nothing if any will do.
pub(crate) fn expected_revision(headers: &HeaderMap) -> Result<Option<Revision>, Problem> {
    let Some(sent) = header_text(headers, &header::IF_MATCH)? else {
        return Ok(None);
    };
    let sent = sent.trim();
    if sent == "*" {
        return Ok(None);
    }
    let opaque = opaque(sent).ok_or_else(|| {
        let detail = "`If-Match` must name one ETag, or be `*`.";
        Problem::new(Code::BadHeader, detail)
    })?;
    let revision = opaque.split('-').next().unwrap_or_default();
    revision.parse().map(Some).map_err(|_| {
        let detail = "`If-Match` names no state of this file; it never had one with this ETag.";
        Problem::new(Code::Changed, detail)
    })
}

/// What stands in the quotes of one tag. Some clients leave out the quotes, so a number does, too.
fn opaque(sent: &str) -> Option<&str> {
    let tag = sent.strip_prefix("W/").unwrap_or(sent);
    let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let is_plain = |text: &&str| {
        text.bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    };
    let is_bare = !tag.is_empty()
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'-');
    quoted.filter(is_plain).or(is_bare.then_some(tag))
}

fn tags(header: &str) -> impl Iterator<Item = &str> {
    header
        .split(',')
        .map(str::trim)
        .filter(|tag| !tag.is_empty())
}
