//! Private PostgreSQL, Redis and S3 servers for tests and benches.
//!
//! Each server has a folder of its own in the folder for temporary files, listens on 127.0.0.1
//! alone, and is gone with its folder when its value is dropped. If this process ends in another
//! way, the server ends too (on Linux), but its folder stays. Those that all tests of a process share
//! are in [`shared`].
//!
//! The programs of PostgreSQL and Redis come from the system: [`Postgres::is_installed`] and
//! [`Redis::is_installed`] tell whether they are there. That of S3 is a Python package.
//!
//! A [`Proxy`] in front of any server makes the network fail: silence, broken connections, delay,
//! little bandwidth.

mod account;
mod error;
mod fresh;
mod network;
mod postgres;
mod process;
mod programs;
mod proxy;
mod redis;
mod s3;
pub mod shared;
mod wait;

pub use error::ServerError;
pub use postgres::{Postgres, PostgresOptions};
pub use proxy::{Proxy, Traffic};
pub use redis::{Redis, RedisOptions};
pub use s3::{S3, create_bucket};
pub use wait::{eventually, eventually_at_least, within};
