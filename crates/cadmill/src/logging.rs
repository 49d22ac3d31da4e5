//! Logs on standard error, by `CADMILL_LOG` or `-v`, and traces beside them.

use tracing_subscriber::{
    EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::traces::Traces;

/// How it is logged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logging {
    /// How much, where `CADMILL_LOG` says nothing: warnings, and at each number more.
    pub(crate) verbosity: u8,
    /// Whether each line is an object, for those who collect logs.
    pub(crate) as_json: bool,
}

impl Logging {
    /// Starts it.
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
            tracing::warn!(error, "`CADMILL_LOG` cannot be used; {level} is logged");
        }
    }
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
