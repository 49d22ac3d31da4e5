//! Measures the locks, and prints a figure a line: `cargo xtask bench dedup` reads them. What is
//! named is the URL of a Redis server:
//!
//! ```sh
//! cargo run --release -p cadmill-lock --features redis --example lock_rates -- URL
//! ```

use std::{
    env,
    error::Error,
    fs,
    time::{Duration, Instant},
};

use cadmill_lock::{DedupLock, LockError, LockKey, MemoryLock, redis::RedisLock};

/// Acquisitions on Redis, in rounds that alternate with as many pairs of bare round trips.
const ROUNDS: usize = 20;
const PAIRS: usize = 500;
/// Acquisitions in memory, each of a key of its own, and how many warm up.
const MANY: usize = 1_000_000;
const WARM: usize = 100_000;
const TTL: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("name the URL of a Redis server")?;
    redis(&RedisLock::connect(&url, "lock_rates").await?).await?;
    memory(&MemoryLock::new("lock_rates")).await
}

/// `acquire` and `release` against two bare round trips of the same client.
async fn redis(lock: &RedisLock) -> Result<(), Box<dyn Error>> {
    let (mut locked, mut bare) = (Duration::ZERO, Duration::ZERO);
    for round in 0..=ROUNDS {
        let begun = Instant::now();
        for _ in 0..PAIRS {
            lock.ping().await?;
            lock.ping().await?;
        }
        let pinged = begun.elapsed();
        let begun = Instant::now();
        for number in 0..PAIRS {
            take(lock, number).await?;
        }
        // The first round warms up.
        if round > 0 {
            bare += pinged;
            locked += begun.elapsed();
        }
    }
    let pairs = (ROUNDS * PAIRS) as f64;
    println!("redis_pings_us {}", bare.as_secs_f64() * 1e6 / pairs);
    println!("redis_lock_us {}", locked.as_secs_f64() * 1e6 / pairs);
    Ok(())
}

/// The memory of the process must not grow with the keys that were ever locked.
async fn memory(lock: &MemoryLock) -> Result<(), Box<dyn Error>> {
    let begun = Instant::now();
    let mut warm = 0.0;
    for number in 0..MANY {
        if number == WARM {
            warm = resident_mib()?;
        }
        take(lock, number).await?;
    }
    println!(
        "memory_locks_per_s {}",
        MANY as f64 / begun.elapsed().as_secs_f64()
    );
    println!("memory_warm_mib {warm}");
    println!("memory_end_mib {}", resident_mib()?);
    Ok(())
}

/// Acquires and releases a key of its own.
async fn take(lock: &dyn DedupLock, number: usize) -> Result<(), LockError> {
    let key = LockKey::glb_geometry(number);
    if let Some(lease) = lock.try_acquire(&key, TTL).await?
        && lock.release(&lease).await?
    {
        return Ok(());
    }
    Err(LockError::Answer(format!("{key} is taken")))
}

/// The memory of this process that is in use (Linux, see proc(5)).
fn resident_mib() -> Result<f64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib
        .ok_or("/proc/self/status has no VmRSS")?
        .parse::<f64>()?
        / 1024.0)
}
