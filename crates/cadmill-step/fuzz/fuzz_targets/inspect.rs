//! Any input yields a summary or an error, and the same result for every chunk size.
//!
//! Run `cargo +nightly fuzz run inspect` in `crates/cadmill-step`; `tests/samples` holds seeds.

#![no_main]

use std::io::{self, Read};

use cadmill_step::inspect;
use libfuzzer_sys::fuzz_target;

/// Reads at most seven bytes at a time.
struct SmallReads<'a>(&'a [u8]);

impl Read for SmallReads<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = buffer.len().min(7);
        self.0.read(&mut buffer[..size])
    }
}

fuzz_target!(|bytes: &[u8]| {
    let whole = inspect(bytes).map_err(|error| error.into_failure());
    let chunked = inspect(SmallReads(bytes)).map_err(|error| error.into_failure());
    assert_eq!(whole, chunked);
});
