//! Bodies that are sent again, against a naive model that keeps everything.
#![cfg(feature = "http")]

#[path = "../support/replay/mod.rs"]
mod model;

use model::{Harness, Item, Op};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the body is cut into, wherever it pauses or breaks off, in whatever order it is read, by however many who come
    /// and go: each is given the same frames in the same order, or is told that something is missing; what is kept is bounded;
    /// whoever waits is woken; sizes and ends are told as they are.
    #[test]
    fn defect_102_every_attempt_reads_the_same_or_is_told(
        limit in prop_oneof![0..300_usize, 300..3000_usize, Just(40_000_usize), Just(1_000_000_usize)],
        tells: bool,
        items in prop::collection::vec(any::<(u8, u8)>().prop_map(Item::new), 0..24),
        ops in prop::collection::vec(any::<(u8, u8)>().prop_map(Op::new), 0..120),
    ) {
        Harness::new(limit, tells, items).run(ops);
    }
}
