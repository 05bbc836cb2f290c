//! What holds whatever happens, in whatever order: state machines against naive models of them, and settings of any kind.
#![allow(missing_docs)]

mod backoff;
mod breaker;
mod budget;
mod builders;
mod bulkhead;
mod config;
mod context;
mod drain;
mod hedge;
mod hops;
mod keyed;
mod pool;
mod rate;
mod replay;
mod shed;
#[path = "../support/mod.rs"]
mod support;
mod waiting;
mod window;
