//! Named places where a test lets a worker die or freeze. There are none in a release build.

/// Dies here if `CADMILL_FAILPOINT` is this name, and freezes if it is the name and `=stop`.
#[cfg(debug_assertions)]
pub(crate) fn reach(name: &str) {
    use nix::sys::signal::{Signal, raise};
    let Ok(wanted) = std::env::var("CADMILL_FAILPOINT") else {
        return;
    };
    let (place, action) = wanted.split_once('=').unwrap_or((&wanted, "kill"));
    if place == name {
        let signal = match action {
            "stop" => Signal::SIGSTOP,
            _ => Signal::SIGKILL,
        };
        eprintln!("failpoint {name}");
        raise(signal).expect("a process may send signals to itself");
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(crate) const fn reach(_: &str) {}
