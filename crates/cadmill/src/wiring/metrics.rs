//! Records the metrics of all crates, for `/metrics`.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use cadmill_api::RenderMetrics;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// Bounds of the histograms of durations, in seconds.
const BUCKETS_S: [f64; 14] = [
    0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];
/// How often recorded durations are sorted into buckets. Otherwise they accumulate until `/metrics` is
/// read.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Starts to record, and returns the function that renders the metrics.
pub(crate) fn record() -> Result<RenderMetrics> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS_S)
        .context("the bounds of the histograms are wrong")?;
    let handle = builder
        .install_recorder()
        .context("the metrics cannot be recorded")?;
    cadmill_pipeline::describe_metrics();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Arc::new(move || handle.render()))
}
