//! What goes wrong around the mill in operation: workers that die or freeze, servers that are away,
//! disks that are full, people who click twice. Each test runs the built commands against a real
//! PostgreSQL and a real Redis, and ends with the same check of everything that is left.

mod api;
mod blobs;
mod cancelled;
mod check;
mod clocks;
mod cluster;
mod crowded;
mod disk;
mod double_click;
mod double_click_http;
mod failpoints;
mod follower;
mod frozen;
mod frozen_sweep;
mod full_disk;
pub(crate) mod kernel;
mod killed_kernel;
mod last_event;
mod lost_blobs;
mod outside;
mod postgres_away;
mod postgres_sessions;
mod power_cut;
mod redis_away;
mod redis_client;
mod service_away;
mod site;
mod start;
mod syscalls;
mod taken_over;
mod terminated;
mod unmounted;
mod wakes;
pub(crate) mod workers;
mod write_order;

use std::time::Duration;

use cadmill_servers::within;
pub(crate) use cadmill_servers::{eventually, eventually_at_least};

/// Only a failing test waits this long.
const LONG: Duration = Duration::from_mins(2);
