use super::super::limit::{Algorithm, Controller};
use crate::kernel::{
    sync::{Arc, AtomicU32, Ordering},
    waiting::Capacity,
};

/// The slots of an adaptive limit, and as long a line in front of them as can still be served in time.
#[derive(Debug)]
pub(super) struct Front<A> {
    pub(super) controller: Arc<Controller<A>>,
    /// The line is not longer than that, whatever else.
    max_queue: AtomicU32,
}

/// What the line may take of the time that callers have left when they come: the rest is for those who come meanwhile and
/// matter more.
const SHARE_OF_SLACK: f64 = 0.25;
/// In units of the limit.
const SHORTEST: f64 = 1.5;
const LONGEST: f64 = 16.0;

impl<A> Front<A> {
    pub(super) fn new(controller: Arc<Controller<A>>, max_queue: u32) -> Self {
        Self { controller, max_queue: AtomicU32::new(max_queue) }
    }

    pub(super) fn max_queue(&self) -> u32 {
        self.max_queue.load(Ordering::Relaxed)
    }

    pub(super) fn set_max_queue(&self, length: u32) {
        self.max_queue.store(length, Ordering::Relaxed);
    }
}

impl<A: Algorithm> Capacity for Front<A> {
    fn take(&self, weight: u32) -> Option<u32> {
        Capacity::take(&self.controller.slots, weight)
    }

    fn offer(&self, weight: u32, promised: u32) -> Option<u32> {
        self.controller.slots.offer(weight, promised)
    }

    fn waited_for(&self, by_somebody: bool) {
        self.controller.slots.waited_for(by_somebody);
    }

    fn line_length(&self) -> Option<usize> {
        let limit = f64::from(self.controller.limit());
        let (latency, throughput) = self.controller.pace();
        let slack = self.controller.patience().as_secs_f64() - 1.5 * latency as f64 / 1e9;
        let slots = (throughput * slack.max(0.0) * SHARE_OF_SLACK).clamp(SHORTEST * limit, LONGEST * limit);
        let calls = (slots / self.controller.weight()).ceil() as usize;
        Some(calls.max(2).min(self.max_queue() as usize))
    }
}
