//! What is counted on this thread.

use metrics::LocalRecorderGuard;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Every figure of this thread while it lives.
pub(crate) struct Counted {
    figures: PrometheusHandle,
    _guard: LocalRecorderGuard<'static>,
}

impl Counted {
    pub(crate) fn from_now_on() -> Self {
        let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        Self {
            figures: recorder.handle(),
            _guard: metrics::set_default_local_recorder(recorder),
        }
    }

    /// The line of this figure and its labels says so.
    #[track_caller]
    pub(crate) fn assert_is(&self, figure: &str, value: u64) {
        let all = self.figures.render();
        let line = format!("{figure} {value}");
        assert!(all.lines().any(|told| told == line), "{line} in:\n{all}");
    }
}
