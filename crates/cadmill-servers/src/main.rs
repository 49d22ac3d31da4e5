//! Starts a private PostgreSQL and a private Redis to try things on, prints their URLs, and stops
//! them when standard input ends.

use std::{error::Error, io, process::ExitCode};

use cadmill_servers::{Postgres, Redis, ServerError};

fn main() -> ExitCode {
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
    // However it ends, it has ended.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    Ok(())
}
