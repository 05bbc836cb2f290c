//! What a call that is in flight holds of what all calls share.

use std::{mem, sync::Arc};

use super::plan::Plan;

/// What all calls share, held by one that is in flight from its first wait on.
pub(super) struct Held {
    pub(super) plan: Arc<Plan>,
    pub(super) waits: bool,
}

impl Held {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self { plan, waits: false }
    }

    pub(super) fn leave(&mut self) {
        if mem::take(&mut self.waits) {
            self.plan.crowd.leave();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.leave();
    }
}
