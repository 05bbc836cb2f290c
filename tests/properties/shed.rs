//! Load shedding under any sequence of operations.
#![cfg(feature = "test-util")]

#[path = "../support/shed/mod.rs"]
mod model;

use model::Setup;
use proptest::prelude::*;

fn setup() -> impl Strategy<Value = Setup> {
    let flags = any::<(bool, bool, bool, bool)>();
    (flags, 0..8_u8, 0..8_u8).prop_map(|((fixed, attentive, shares, queue_delay), limit, max_queue)| Setup {
        fixed,
        attentive,
        shares,
        queue_delay,
        limit,
        max_queue,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What came in and has not ended is what is held; nobody overtakes whoever matters more, and none of these loses its
    /// place to one who matters less; nothing is begun too late; and in the end nothing is left.
    #[test]
    fn whatever_comes_and_goes_the_order_holds_and_nothing_is_lost(
        setup in setup(),
        ops in prop::collection::vec(any::<[u8; 3]>(), 0..150),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(model::run(setup, ops));
    }
}
