//! What somebody may do who is careless, unlucky or hostile, and what must not come of it.
#![allow(missing_docs)]
#![cfg(all(feature = "http", feature = "test-util"))]

mod closures;
mod deadlines;
#[path = "../support/mod.rs"]
mod support;
mod told;
mod waits;
