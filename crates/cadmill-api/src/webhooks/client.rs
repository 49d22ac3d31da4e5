//! The courier: signs a delivery, posts it and tells what the receiver said.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use cadmill_domain::{Moment, webhook::DeliveryClaim};
use chrono::TimeDelta;
use reqwest::{
    Client, Response, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::CONTENT_TYPE,
    redirect,
};
use rustls::{ClientConfig, crypto::ring, pki_types::CertificateDer};
use rustls_platform_verifier::Verifier;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

use super::{
    backoff, message,
    target::{TargetError, TargetPolicy},
};

/// How much of a refusal is read and kept, in bytes.
const KEPT_OF_ANSWER: usize = 1024;

/// There is no client to deliver with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookClientError {
    /// TLS cannot be set up; most likely the system has no root certificates.
    #[error("TLS for webhooks cannot be set up; are there root certificates on this system?")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("the HTTP client for webhooks cannot be set up")]
    Http(#[source] reqwest::Error),
}

/// Posts deliveries, to permitted addresses only. Clones share their connections.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    http: Client,
    policy: Arc<TargetPolicy>,
    timeout: Duration,
}

impl WebhookClient {
    /// One that resolves names as the system does, and waits so long for each answer.
    ///
    /// # Errors
    /// If TLS or HTTP cannot be set up.
    pub fn new(policy: TargetPolicy, timeout: Duration) -> Result<Self, WebhookClientError> {
        Self::within(policy, timeout, Arc::new(SystemNames), [])
    }

    /// One in another network: it resolves names by `names`, and trusts these root certificates
    /// besides those of the system.
    ///
    /// # Errors
    /// If TLS or HTTP cannot be set up.
    pub fn within(
        policy: TargetPolicy,
        timeout: Duration,
        names: Arc<dyn Resolve>,
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, WebhookClientError> {
        let policy = Arc::new(policy);
        let names = GuardedNames {
            names,
            policy: Arc::clone(&policy),
        };
        let tls = tls(roots).map_err(WebhookClientError::Tls)?;
        // A proxy would resolve names itself, and a redirect could lead anywhere.
        let http = Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(names))
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(timeout)
            .http1_only()
            .referer(false)
            .user_agent(concat!("cadmill/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(WebhookClientError::Http)?;
        Ok(Self {
            http,
            policy,
            timeout,
        })
    }

    /// Posts a delivery; the status with which it was accepted.
    pub(super) async fn post(&self, claim: &DeliveryClaim, now: Moment) -> Result<u16, Refusal> {
        let url = self.policy.check(&claim.webhook.url);
        let url = url.map_err(|error| Refusal::give_up(error.to_string()))?;
        let answer = self.send(claim, url, now).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(status.as_u16());
        }
        let course = if status == StatusCode::GONE {
            Course::Disable
        } else {
            Course::Retry(backoff::asked_for(answer.headers(), now))
        };
        let said = beginning(answer).await;
        let error = if said.is_empty() {
            format!("answered {status}")
        } else {
            format!("answered {status}: {said}")
        };
        Err(Refusal {
            status: Some(status.as_u16()),
            error,
            course,
        })
    }

    async fn send(
        &self,
        claim: &DeliveryClaim,
        url: Url,
        now: Moment,
    ) -> Result<Response, Refusal> {
        let id = message::id(claim.id);
        let timestamp = now.timestamp();
        let body = message::body(&claim.content);
        let signature = standardwebhooks::Webhook::new(claim.webhook.secret.expose())
            .and_then(|key| key.sign(&id, timestamp, body.as_bytes()))
            .map_err(|error| Refusal::give_up(format!("it cannot be signed: {error}")))?;
        let request = self
            .http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(HEADER_WEBHOOK_ID, id)
            .header(HEADER_WEBHOOK_TIMESTAMP, timestamp)
            .header(HEADER_WEBHOOK_SIGNATURE, signature)
            .body(body);
        request.send().await.map_err(|error| self.refusal(&error))
    }

    /// What is noted if there was no answer.
    fn refusal(&self, error: &reqwest::Error) -> Refusal {
        // The error itself would show the URL, with what may be secret in it.
        let causes = causes(error);
        let refused = causes
            .iter()
            .find_map(|cause| cause.downcast_ref::<TargetError>());
        if let Some(refused) = refused {
            return Refusal::give_up(refused.to_string());
        }
        let error = if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f64())
        } else {
            let cause = causes.last().map_or_else(String::new, printable);
            let what = if error.is_connect() {
                "cannot connect"
            } else {
                "no answer"
            };
            format!("{what}: {cause}")
        };
        Refusal {
            status: None,
            error,
            course: Course::Retry(None),
        }
    }
}

fn tls(
    roots: impl IntoIterator<Item = CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider))?;
    let versions = ClientConfig::builder_with_provider(provider);
    Ok(versions
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// A try that was not accepted.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: Option<u16>,
    pub(super) error: String,
    pub(super) course: Course,
}

/// What follows from a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// It is tried again, not before this wait is over.
    Retry(Option<TimeDelta>),
    /// It is not tried again.
    GiveUp,
    /// The receiver wants nothing more.
    Disable,
}

impl Refusal {
    fn give_up(error: String) -> Self {
        Self {
            status: None,
            error,
            course: Course::GiveUp,
        }
    }
}

fn causes(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

/// What an answer begins with, as one line of printable text.
async fn beginning(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < KEPT_OF_ANSWER
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(KEPT_OF_ANSWER);
    printable(String::from_utf8_lossy(&bytes))
}

/// The text without control characters, which neither a log nor PostgreSQL takes.
fn printable(text: impl fmt::Display) -> String {
    let text = text.to_string();
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Resolves names as the system does.
struct SystemNames;

impl Resolve for SystemNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<_> = found.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Resolves names to permitted addresses only. The client connects to just these, so a name that
/// leads elsewhere a moment later is of no use.
struct GuardedNames {
    names: Arc<dyn Resolve>,
    policy: Arc<TargetPolicy>,
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self.names.resolve(name);
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let permitted: Vec<_> = found
                .await?
                .filter(|address| policy.permits(address.ip()))
                .collect();
            if permitted.is_empty() {
                return Err(TargetError::NotPublic.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}
