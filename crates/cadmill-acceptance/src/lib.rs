//! Nothing but a home: the acceptance tests are in `tests/it`, what they ask other programs in
//! `oracles`. They run the built commands, so `cargo xtask test` is the way to start them.
