//! The lock of many processes, and a signal between them, on Redis or a server that speaks its
//! protocol.
//!
//! URLs are `redis://[[user:]password@]host[:port][/database]`; `rediss://` is the same over TLS.
//! A cluster is `redis-cluster://host:port?node=host2:port2`, a group under Sentinel
//! `redis-sentinel://host:port/database?node=host2:port2&sentinelServiceName=name` (optionally with
//! `sentinelUsername` and `sentinelPassword`); both have their `rediss-` form.

mod connection;
mod lock;
mod notifier;
mod stored;
mod url;

pub use lock::RedisLock;
pub use notifier::{RedisWorkNotifier, Waiter};
