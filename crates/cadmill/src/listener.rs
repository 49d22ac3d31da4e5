//! Where the API listens.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;

use crate::{
    config::{AccessMode, Config},
    exit::Failed,
};

/// Listens where the configuration says. Without tokens that must be an address of this machine
/// alone.
pub(crate) async fn bind(config: &Config) -> Result<TcpListener> {
    let address = config.listen;
    if config.access == AccessMode::Open && !address.ip().is_loopback() {
        let text = format!(
            "without tokens everybody who reaches {address} could do everything: listen on \
             127.0.0.1, or set `access` to `tokens`"
        );
        return Err(Failed(text).into());
    }
    at(address).await
}

/// Listens at an address.
pub(crate) async fn at(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("{address} cannot be listened on; name another by `--listen`"))
}
