//! Starts a private PostgreSQL and a private Redis to try things on, prints their URLs, and stops
//! them when standard input ends.
//!
//! With the argument `shared` they are those that the tests of a process share.

use std::{env, error::Error, io, process::ExitCode};

use cadmill_servers::{Postgres, Redis, ServerError, shared};

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("shared") {
        println!("{}\n{}", shared::postgres_url(), shared::redis_url());
        wait();
        return ExitCode::SUCCESS;
    }
    let Err(error) = serve() else {
        return ExitCode::SUCCESS;
    };
    match error.source() {
        Some(source) => eprintln!("{error}: {source}"),
        None => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}

fn serve() -> Result<(), ServerError> {
    let postgres = Postgres::start()?;
    let redis = Redis::start()?;
    println!("{}\n{}", postgres.url(), redis.url());
    wait();
    Ok(())
}

/// Waits for the end of standard input.
fn wait() {
    // However it ends, it has ended.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}
