use std::time::Duration;

use super::Order;
use crate::kernel::{
    Invalid,
    context::{CarriedDeadline, NoDeadline},
};

/// The settings of a queue, as they were given to the builder of a policy.
///
/// ```
/// use cofferdam::{Bulkhead, bulkhead::{Builder, Queued}};
///
/// let patient: Builder<Queued> = Bulkhead::builder("reports").queue(100);
/// assert!(patient.build().is_ok());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Queued<D = NoDeadline> {
    pub(crate) length: usize,
    pub(crate) max_wait: Duration,
    pub(crate) order: Order,
    pub(crate) deadline: D,
}

/// The longest line.
const LONGEST: usize = 1 << 20;

impl Queued {
    /// For that many calls, with the defaults.
    pub(crate) fn new(length: usize) -> Self {
        Self { length, max_wait: Duration::from_millis(250), order: Order::default(), deadline: NoDeadline }
    }
}

impl<D> Queued<D> {
    /// The same, where calls wait no longer than their requests' deadlines.
    pub(crate) fn until_deadline(self) -> Queued<CarriedDeadline> {
        let Self { length, max_wait, order, deadline: _ } = self;
        Queued { length, max_wait, order, deadline: CarriedDeadline }
    }

    pub(crate) fn check(self) -> Result<Self, Invalid> {
        if self.length == 0 || self.length > LONGEST {
            return Err(Invalid::new("queue", self.length, "1 to 1048576"));
        }
        Invalid::unless_duration("max_wait", self.max_wait)?;
        if let Order::Adaptive { after } = self.order {
            Invalid::unless_duration("order", after)?;
        }
        Ok(self)
    }
}
