//! Logs on standard error, by `CADMILL_LOG` or `-v`.

use tracing_subscriber::EnvFilter;

/// Starts logging; warnings only, unless something else is asked for. As JSON each line is an object,
/// for those who collect logs.
pub(crate) fn start(verbose: u8, as_json: bool) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("CADMILL_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if as_json {
        log.json().flatten_event(true).init();
        return;
    }
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    log.with_ansi(!is_plain && is_terminal())
        .with_target(false)
        .init();
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
