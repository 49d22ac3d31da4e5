//! Integration tests of `cadmill-lock`.
//!
//! Those on Redis want `redis-server` on the path, and the URL of a running one in
//! `CADMILL_TEST_REDIS_URL`.

mod exclusive;
mod memory;
mod redis;
mod redis_dead_lines;
mod redis_faults;
mod redis_server;
mod redis_signal;
mod redis_topologies;
mod redis_url;
