//! What can be set about the service.

use std::{num::NonZeroU32, time::Duration};

use axum::http::HeaderValue;

use crate::{FeedSettings, TargetPolicy};

/// Who may do what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody who can reach the service may do everything. Only for addresses that nobody else
    /// can reach.
    Open,
    /// Whoever has a token may do what its role may.
    Tokens,
}

/// What can be set about the service.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may do what.
    pub access: Access,
    /// Whether `/metrics` needs no token.
    pub open_metrics: bool,
    /// From which origins pages of other sites may call the service; by default from none.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether clients are told apart by the last entry of `X-Forwarded-For`, which the proxy in
    /// front adds, rather than by their address.
    pub behind_proxy: bool,
    /// The greatest STEP file, in bytes.
    pub upload_limit_bytes: u64,
    /// The greatest body of any other request, in bytes.
    pub body_limit_bytes: usize,
    /// How long an answer may take that neither takes nor gives a file, and how long an upload may be
    /// silent.
    pub time_limit: Duration,
    /// How many failed logins a client may have per minute.
    pub failed_logins_per_minute: NonZeroU32,
    /// For how long clients are sent to the blob store itself, if it can give addresses; otherwise
    /// all bytes come from here.
    pub redirect_downloads_for: Option<Duration>,
    /// How events are followed.
    pub feed: FeedSettings,
    /// Where webhooks may lead.
    pub webhook_targets: TargetPolicy,
}

impl Default for Settings {
    /// Tokens are needed; 4 GiB per file, 8 MiB per other body, 30 s per answer, 10 failed logins per
    /// minute; no other origins and no redirects;
    /// webhooks only to public addresses.
    fn default() -> Self {
        Self {
            access: Access::Tokens,
            open_metrics: false,
            cors_origins: Vec::new(),
            behind_proxy: false,
            upload_limit_bytes: 4 << 30,
            body_limit_bytes: 8 << 20,
            time_limit: Duration::from_secs(30),
            failed_logins_per_minute: const { NonZeroU32::new(10).expect("10 is not 0") },
            redirect_downloads_for: None,
            feed: FeedSettings::default(),
            webhook_targets: TargetPolicy::default(),
        }
    }
}
