//! Integration tests of `cadmill-domain`.

mod failures;
