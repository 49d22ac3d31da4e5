//! Who asks: the token of a request, and the clients that guess tokens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, header, request::Parts},
};
use cadmill_domain::{
    Clock, Moment,
    access_token::{AccessToken, AccessTokens, Role, TokenSecret},
    ledger::Requester,
};
use chrono::TimeDelta;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use tracing::{Span, warn};

use crate::{
    Settings,
    problem::{Code, Problem},
};

/// The use of a token is noted at most so often.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Above so many clients those are forgotten that have been quiet.
const CLIENTS_KEPT: usize = 10_000;

/// Tells who asks.
#[derive(Debug)]
pub(crate) struct Guard {
    behind_proxy: bool,
    tokens: Arc<dyn AccessTokens>,
    clock: Arc<dyn Clock>,
    failures: DefaultKeyedRateLimiter<IpAddr>,
}

impl Guard {
    pub(crate) fn new(
        settings: &Settings,
        tokens: Arc<dyn AccessTokens>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let quota = Quota::per_minute(settings.failed_logins_per_minute);
        Self {
            behind_proxy: settings.behind_proxy,
            tokens,
            clock,
            failures: RateLimiter::keyed(quota),
        }
    }

    /// Lets the request pass if its role reaches `needed`; whose token it bears.
    pub(crate) async fn admit(&self, parts: &Parts, needed: Role) -> Result<Requester, Problem> {
        let secret = bearer(&parts.headers)?;
        let token = match secret.parse::<TokenSecret>() {
            Ok(secret) => self.find(&secret).await?,
            Err(_) => None,
        };
        let Some(token) = token else {
            return Err(self.failed(client(parts, self.behind_proxy)));
        };
        Span::current().record("token.id", token.id.to_string());
        if token.role < needed {
            let detail = format!(
                "This needs the role `{needed}`; the token has `{}`.",
                token.role
            );
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Ok(Requester::of_token(token.id))
    }

    /// The good token with this secret. Secrets are looked up by their SHA-256, so how long that
    /// takes tells nothing of a secret.
    async fn find(&self, secret: &TokenSecret) -> Result<Option<AccessToken>, Problem> {
        let now = self.clock.now();
        let token = self.tokens.by_hash(&secret.hash()).await?;
        let token = token.filter(|token| token.is_good(now));
        if let Some(token) = &token {
            self.touch(token, now).await;
        }
        Ok(token)
    }

    /// Notes the use of a token. Without that it is still good, so failing is only logged.
    async fn touch(&self, token: &AccessToken, now: Moment) {
        let is_fresh = token
            .last_used_at
            .is_some_and(|last| now - last < TOUCH_EVERY);
        if is_fresh {
            return;
        }
        if let Err(error) = self.tokens.touch(token.id, now).await {
            let error = cadmill_domain::sentence(&error);
            warn!(token.id = %token.id, error, "The use of a token could not be noted.");
        }
    }

    /// What a failed login is answered with. A good token passes whatever the client did before.
    fn failed(&self, client: IpAddr) -> Problem {
        if self.failures.len() > CLIENTS_KEPT {
            self.failures.retain_recent();
        }
        match self.failures.check_key(&client) {
            Ok(()) => Problem::new(Code::Unauthorized, "The token is not good."),
            Err(until) => {
                let wait = until.wait_time_from(governor::clock::DefaultClock::default().now());
                warn!(client.address = %client, "A client is guessing tokens.");
                let detail = "The token is not good, and neither were those before.";
                Problem::new(Code::TooManyLogins, detail).after(wait.as_secs() + 1)
            }
        }
    }
}

/// The secret that the request bears.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let missing = || Problem::new(Code::Unauthorized, "The request bears no access token.");
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let value = value.to_str().map_err(|_| missing())?;
    let (scheme, secret) = value.split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(secret.trim())
    } else {
        Err(missing())
    }
}

/// The address of the client. Requests that came over no network, as in tests, share one.
fn client(parts: &Parts, behind_proxy: bool) -> IpAddr {
    let forwarded = parts.headers.get_all("x-forwarded-for").iter().next_back();
    let forwarded = forwarded.filter(|_| behind_proxy);
    let forwarded =
        forwarded.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|info| info.0.ip());
    forwarded
        .or(peer)
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
