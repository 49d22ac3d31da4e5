//! Keeps what the crates count and time, for `/metrics`.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use cadmill_api::RenderMetrics;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// Bounds of the histograms of times, in seconds.
const SECONDS: [f64; 14] = [
    0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];
/// How often what was timed is put into its buckets, whether anybody asks or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Begins to record, and says how to render it.
pub(crate) fn record() -> Result<RenderMetrics> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("the bounds of the histograms are wrong")?;
    let handle = builder
        .install_recorder()
        .context("the metrics cannot be recorded")?;
    cadmill_pipeline::describe_metrics();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Arc::new(move || handle.render()))
}
