//! The socket on which the API listens.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;

use crate::{
    exit::Failed,
    wiring::config::{AccessMode, Config},
};

/// Listens on the configured address. Without tokens it must be a loopback address.
pub(crate) async fn bind_api(config: &Config) -> Result<TcpListener> {
    let address = config.listen;
    if config.access == AccessMode::Open && !address.ip().is_loopback() {
        let text = format!(
            "without tokens everyone who reaches {address} could do everything: listen on \
             127.0.0.1, or set `access` to `tokens`"
        );
        return Err(Failed(text).into());
    }
    bind(address).await
}

/// Listens on an address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on; choose another with `--listen`"))
}
