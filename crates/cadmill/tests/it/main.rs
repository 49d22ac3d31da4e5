//! The command as people run it, with a stand-in for the tessellator.

mod bench;
mod disk;
mod doctor;
mod folders;
mod inspect;
mod interrupt;
mod materials;
mod names;
mod pipeline;
mod server;
mod service;
mod traces;
mod uploads;
mod usage;
