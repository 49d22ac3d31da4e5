//! Starts a private PostgreSQL and a private Redis to try things on, prints their URLs, and stops
//! them when standard input ends.

use std::io;

use cadmill_servers::{Postgres, Redis, ServerError};

fn main() -> Result<(), ServerError> {
    let postgres = Postgres::start()?;
    let redis = Redis::start()?;
    println!("{}\n{}", postgres.url(), redis.url());
    // However it ends, it has ended.
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    Ok(())
}
