//! Any sequence of operations on load shedding with weights: what came in and has not ended is what is held, nobody overtakes
//! whoever matters more nor takes its place, nothing is begun too late, and in the end nothing is left.
#![no_main]

#[path = "../../tests/support/shed/mod.rs"]
mod shed;

use std::cell::RefCell;

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use shed::Setup;
use tokio::runtime::{Builder, Runtime};

#[derive(Arbitrary, Debug)]
struct Input {
    fixed: bool,
    attentive: bool,
    shares: bool,
    queue_delay: bool,
    limit: u8,
    max_queue: u8,
    ops: Vec<[u8; 3]>,
}

thread_local! {
    /// Its clock goes on from one input to the next.
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime starts"));
}

fuzz_target!(|input: Input| {
    let Input { fixed, attentive, shares, queue_delay, limit, max_queue, ops } = input;
    let setup = Setup { fixed, attentive, shares, queue_delay, limit, max_queue };
    RUNTIME.with_borrow_mut(|runtime| runtime.block_on(shed::run(setup, ops)));
});
