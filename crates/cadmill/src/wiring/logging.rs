//! Logs on standard error, filtered by `CADMILL_LOG` or `-v`, and traces.

use tracing_subscriber::{
    EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use super::traces::Traces;

/// The options of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logging {
    /// How much is logged if `CADMILL_LOG` is not set: 0 logs warnings, 3 and more logs everything.
    pub(crate) verbosity: u8,
    /// Whether each line is a JSON object.
    pub(crate) as_json: bool,
}

impl Logging {
    /// Starts the log of this process.
    pub(crate) fn start(self, traces: Option<&Traces>) {
        let wanted = std::env::var("CADMILL_LOG").unwrap_or_default();
        let parsed = (!wanted.is_empty()).then(|| EnvFilter::try_new(&wanted));
        let level = match self.verbosity {
            0 => "warn",
            1 => "info",
            2 => "debug",
            _ => "trace",
        };
        let (filter, unusable) = match parsed.transpose() {
            Ok(filter) => (filter.unwrap_or_else(|| EnvFilter::new(level)), None),
            Err(error) => (EnvFilter::new(level), Some(error)),
        };
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = if self.as_json {
            lines.json().flatten_event(true).boxed()
        } else {
            let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let lines = lines.with_ansi(!is_plain && is_terminal());
            lines.with_target(false).boxed()
        };
        tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .with(traces.map(Traces::layer))
            .init();
        if let Some(error) = unusable {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "`CADMILL_LOG` is invalid, logging at level {level}");
        }
    }
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
