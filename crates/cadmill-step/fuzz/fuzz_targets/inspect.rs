//! Any bytes give a summary or an error, and the same however they are dealt out.
//!
//! `cargo +nightly fuzz run inspect` from `crates/cadmill-step`; seeds lie in `tests/samples`.

#![no_main]

use std::io::{self, Read};

use cadmill_step::inspect;
use libfuzzer_sys::fuzz_target;

/// Gives a few bytes at a time.
struct Sips<'a>(&'a [u8]);

impl Read for Sips<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = buffer.len().min(7);
        self.0.read(&mut buffer[..size])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = inspect(bytes).map_err(|error| error.into_failure());
    let sipped = inspect(Sips(bytes)).map_err(|error| error.into_failure());
    assert_eq!(whole, sipped);
});
