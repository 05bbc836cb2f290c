//! Any sequence of operations on a bulkhead with a line, against a naive model of it: the same calls come in, in the same
//! order, the same are rejected for the same reasons, and the same are woken. In the end nothing is left.
#![no_main]

#[path = "../../tests/support/line/mod.rs"]
mod line;

use std::cell::RefCell;

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use line::{Harness, Op};
use tokio::runtime::{Builder, Runtime};

#[derive(Arbitrary, Debug)]
struct Input {
    limit: u8,
    length: u8,
    adaptive: bool,
    ops: Vec<(u8, u8)>,
}

thread_local! {
    /// Its clock goes on from one input to the next, and every input takes the time at which it begins for the first.
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime starts"));
}

fuzz_target!(|input: Input| {
    let harness = Harness::new(u32::from(input.limit % 4) + 1, usize::from(input.length % 5) + 1, input.adaptive);
    RUNTIME.with_borrow_mut(|runtime| runtime.block_on(harness.run(input.ops.into_iter().map(Op::new))));
});
