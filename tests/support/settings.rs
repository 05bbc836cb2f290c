//! What many tests set.

use std::time::Duration;

use cofferdam::Budget;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A budget that hardly ends.
pub(crate) fn rich() -> Budget {
    let budget = Budget::builder("rich").ratio(1000.0).build().unwrap();
    budget.succeeded();
    budget
}
