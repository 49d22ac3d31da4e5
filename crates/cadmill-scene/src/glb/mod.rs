//! The canonical GLB: glTF 2.0 without extensions, from which the whole scene can be restored.

mod outline;
mod read;
mod recolor;
mod write;

pub use outline::{HEAD_BYTES, json_range, outline};
pub use read::read;
pub use recolor::{Overlaid, overlay};
pub use write::{write, write_to};

// The BIN chunk is little-endian, and arrays are copied to and from it without conversion.
const _: () = assert!(cfg!(target_endian = "little"));
