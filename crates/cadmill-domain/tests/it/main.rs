//! Integration tests of `cadmill-domain`: the contract suites on the fakes, and the pure ledger.

mod contracts;
mod cursors;
mod dependencies;
mod failures;
mod machine;
mod queue;
