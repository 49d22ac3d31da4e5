//! Runs the built commands on real STEP files, and asks the validators of the field about what
//! comes out. `cargo xtask test` builds and installs all that this needs.

mod disk_full;
mod documented;
mod exported;
mod external;
mod faults;
mod geometry;
mod glb;
mod guide;
mod hostile;
mod inputs;
mod killed;
mod materials;
mod measures;
mod milled;
mod mutations;
mod names;
mod oracles;
mod program;
mod readme;
mod same_bytes;
mod service;
mod trees;
mod usd;
