//! The command as people run it, with a stand-in for the tessellator.

mod bench;
mod disk;
mod doctor;
mod folders;
mod inspect;
mod interrupt;
mod materials;
mod pipeline;
mod service;
mod usage;
