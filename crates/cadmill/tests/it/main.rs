//! The command line, with a fake tessellator.

mod closing;
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
mod test_dir;
mod traces;
mod uploads;
mod usage;
