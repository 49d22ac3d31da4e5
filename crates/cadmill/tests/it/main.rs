//! The command as people run it, with a stand-in for the tessellator.

mod bench;
mod damage;
mod disk;
mod doctor;
mod folders;
mod inspect;
mod interrupt;
mod lost;
mod materials;
mod names;
mod ownership;
mod pipeline;
mod server;
mod service;
mod traces;
mod uploads;
mod usage;
