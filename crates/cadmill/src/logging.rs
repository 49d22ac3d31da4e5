//! Logs on standard error, by `CADMILL_LOG` or `-v`.

use tracing_subscriber::EnvFilter;

/// Starts logging; warnings only, unless something else is asked for.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("CADMILL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(
            std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && is_terminal(),
        )
        .with_target(false)
        .init();
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
