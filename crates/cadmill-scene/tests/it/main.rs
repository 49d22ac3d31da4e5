//! The crate from outside: scenes go into media and come back.

mod glb;
