//! Does it contain? What the stacks must reach in the laboratory, in virtual time; each figure is the worst of its seeds.
//!
//! `cargo bench --bench efficacy --features test-util -- table` prints all of it, `-- table S4` what has that in its name, and
//! either beside other stacks with `all`.
#![cfg(feature = "test-util")]
#![allow(missing_docs, unreachable_pub, dead_code)] // the laboratory is shared with a bench

mod attempts;
mod hedge;
#[path = "../support/lab/mod.rs"]
mod lab;
mod overload;
mod pool;
mod report;
