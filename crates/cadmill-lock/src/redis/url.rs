//! What a connection URL means. No error shows the URL, since it may hold a password.

use std::sync::Arc;

use fred::{
    prelude::{Config, TlsConnector},
    rustls::{ClientConfig, RootCertStore, crypto::ring},
    rustls_native_certs::load_native_certs,
};

use crate::LockError;

/// Reads a connection URL.
pub(super) fn config(url: &str) -> Result<Config, LockError> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (server, topology) = match scheme.find('-') {
        Some(dash) => scheme.split_at(dash),
        None => (scheme, ""),
    };
    let is_tls = match server {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(bad_url("its scheme is not a known one")),
    };
    if !matches!(topology, "" | "-cluster" | "-sentinel") {
        return Err(bad_url("its scheme is not a known one"));
    }
    // fred would take whichever TLS provider the process prefers, and panics if there are two.
    let mut config = Config::from_url(&format!("redis{topology}://{rest}"))
        .map_err(|error| bad_url(error.details()))?;
    if is_tls {
        config.tls = Some(tls()?.into());
    }
    Ok(config)
}

fn bad_url(reason: &str) -> LockError {
    LockError::Config(format!(
        "its URL is not understood ({reason}); redis://host:6379, rediss://, redis-cluster:// or \
         redis-sentinel:// is expected"
    ))
}

/// TLS that trusts the certificate authorities of the system, or those in `SSL_CERT_FILE`.
fn tls() -> Result<TlsConnector, LockError> {
    let found = load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reason = "TLS is asked for, but no certificate authority is installed".to_owned();
        return Err(LockError::Config(reason));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| LockError::Config(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_server_has_a_url() {
        let single = config("redis://:secret@example.org/3").unwrap();
        assert!(single.server.is_centralized() && single.tls.is_none());
        assert_eq!(single.database, Some(3));
        assert_eq!(single.password.as_deref(), Some("secret"));
        let cluster = config("redis-cluster://example.org:7000?node=example.org:7001").unwrap();
        assert!(cluster.server.is_clustered());
        assert_eq!(cluster.server.hosts().len(), 2);
        let sentinel = "redis-sentinel://example.org:26379/1?sentinelServiceName=main";
        assert!(config(sentinel).unwrap().server.is_sentinel());
    }

    #[test]
    fn a_bad_url_is_refused_without_showing_its_password() {
        for url in [
            "",
            "secret",
            "secret@example.org",
            "http://:secret@example.org",
            "redis-ring://:secret@example.org",
            "redis://:secret@example.org:port",
            "redis://:secret@",
            "redis://:secret@example.org/database",
            "redis-sentinel://:secret@example.org",
            "redis-cluster://:secret@example.org?node=nowhere",
        ] {
            let error = config(url).expect_err(url);
            assert!(matches!(error, LockError::Config(_)), "{url}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
        }
    }
}
