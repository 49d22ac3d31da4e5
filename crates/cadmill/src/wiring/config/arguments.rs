//! Arguments that select a deployment and override its configuration.

use std::{num::NonZero, path::PathBuf};

use clap::Args;

use crate::wiring::traces::Endpoint;

/// Selects the deployment.
#[derive(Debug, Args)]
pub(crate) struct DeploymentArguments {
    /// The configuration file [default: cadmill.toml, if it exists].
    #[arg(long, value_name = "FILE", env = "CADMILL_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// The folder of all data that is not stored elsewhere [default: ./cadmill-data].
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

/// How much a worker does at once.
#[derive(Debug, Args)]
pub(crate) struct SlotsArgument {
    /// How many media are made at once [default: the number of processors].
    #[arg(long, value_name = "N")]
    pub(crate) slots: Option<NonZero<usize>>,
}

/// Where traces go.
#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// The OpenTelemetry collector that receives traces by HTTP, for example
    /// `http://127.0.0.1:4318` [default: no traces].
    #[arg(long, value_name = "URL")]
    pub(super) otlp_endpoint: Option<Endpoint>,
}
