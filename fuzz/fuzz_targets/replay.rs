//! Any body, read by any number of readers in any order, against a naive model that keeps everything: each reader is given
//! the same frames, or is told that something is missing, and whoever waits is woken.
#![no_main]

#[path = "../../tests/support/replay/mod.rs"]
mod replay;

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use replay::{Harness, Item, Op};

#[derive(Arbitrary, Debug)]
struct Input {
    limit: u16,
    tells: bool,
    items: Vec<(u8, u8)>,
    ops: Vec<(u8, u8)>,
}

fuzz_target!(|input: Input| {
    let items = input.items.into_iter().take(64).map(Item::new);
    Harness::new(usize::from(input.limit), input.tells, items).run(input.ops.into_iter().map(Op::new));
});
