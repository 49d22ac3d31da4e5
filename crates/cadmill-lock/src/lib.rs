//! A lease on a piece of work, so that of many workers only one does it.
//!
//! [`run_exclusive`] is what most callers want: it skips work that someone else is doing, keeps the
//! lease alive while the work goes on, takes a lease again that the store has lost, and cancels the
//! work if another worker has the key by then.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use cadmill_lock::{DedupLock, Exclusive, LockKey, MemoryLock, run_exclusive};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cadmill_lock::LockError> {
//! let lock: Arc<dyn DedupLock> = Arc::new(MemoryLock::new("worker 1"));
//! let key = LockKey::glb_geometry(42);
//! let outcome = run_exclusive(&lock, &key, Duration::from_secs(30), async |lost| {
//!     tokio::select! {
//!         () = lost.cancelled() => None,
//!         glb = mill() => Some(glb),
//!     }
//! });
//! match outcome.await? {
//!     Exclusive::Ran(glb) => assert!(glb.is_some()),
//!     Exclusive::Skipped(holder) => println!("{holder:?} does it already"),
//!     Exclusive::Lost => println!("someone else may do it by now"),
//! }
//! # Ok(())
//! # }
//! # async fn mill() -> Vec<u8> { b"glTF".to_vec() }
//! ```

#[cfg(feature = "test-support")]
pub mod contract;
mod error;
mod exclusive;
mod held;
mod key;
mod lease;
mod lock;
mod memory;
#[cfg(feature = "redis")]
pub mod redis;

pub use error::LockError;
pub use exclusive::{Exclusive, run_exclusive, run_exclusive_while};
pub use held::{Held, Renewal};
pub use key::LockKey;
pub use lease::{Holder, Lease, LeaseToken};
pub use lock::DedupLock;
#[cfg(feature = "mock")]
pub use lock::MockDedupLock;
pub use memory::MemoryLock;
