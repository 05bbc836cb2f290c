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

use std::{sync::Barrier, thread};

const THREADS: u32 = 8;

/// Runs the same on many threads at once.
fn crowd(run: impl Fn(u32) + Sync) {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for nth in 0..THREADS {
            let (start, run) = (&start, &run);
            scope.spawn(move || {
                start.wait();
                run(nth);
            });
        }
    });
}
