//! What many tests set.

use std::{num::NonZeroU32, time::Duration};

use cofferdam::Budget;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a request weighs that is its own weight.
pub(crate) fn weight_of(weight: &u32) -> NonZeroU32 {
    NonZeroU32::new(*weight).expect("something")
}

/// A budget that hardly ends.
pub(crate) fn rich() -> Budget {
    let budget = Budget::builder("rich").ratio(1000.0).build().unwrap();
    budget.succeeded();
    budget
}
