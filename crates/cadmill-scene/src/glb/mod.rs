//! The canonical GLB: plain glTF 2.0 that any viewer reads, and that restores the whole scene.

mod outline;
mod read;
mod recolor;
mod write;

pub use outline::{HEAD_BYTES, json_range, outline};
pub use read::read;
pub use recolor::{Overlaid, overlay};
pub use write::{write, write_to};

// The BIN chunk is little-endian; arrays are copied to and from it as they lie in memory.
const _: () = assert!(cfg!(target_endian = "little"));
