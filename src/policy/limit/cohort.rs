//! Calls that are measured on their own: all of them have to end before their mean is taken, so that long ones count like
//! short ones.

use super::algorithm::Measure;

/// Some calls that began while little was in flight. Pure.
#[derive(Debug, Default)]
pub(super) struct Cohort {
    /// Which one it is; zero before the first.
    id: u32,
    at_most: u32,
    size: u32,
    started: u32,
    ended: u32,
    worked: u32,
    /// What those held, and for how long in all: each slot counts by itself.
    slots: u64,
    nanos: u128,
    pub(super) probing: bool,
}

/// What was measured: how many worked, how many slots they held, and for how many nanoseconds in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) worked: u64,
    pub(super) slots: u64,
    pub(super) nanos: u128,
    pub(super) probing: bool,
}

impl Cohort {
    /// Another one: calls of the one before are no part of it.
    pub(super) fn open(&mut self, measure: Measure, probing: bool) {
        let id = self.id.checked_add(1).unwrap_or(1);
        *self = Self { id, at_most: measure.at_most, size: measure.calls, probing, ..Self::default() };
    }

    /// No more calls are taken, and those that were are forgotten.
    pub(super) fn discard(&mut self) {
        *self = Self { id: self.id, ..Self::default() };
    }

    /// The limit has changed, and with it what is little.
    pub(super) fn adjust(&mut self, at_most: u32) {
        self.at_most = at_most;
    }

    /// It has begun, and has not been measured.
    pub(super) fn is_open(&self) -> bool {
        self.size > 0
    }

    /// So many slots may be taken when a call that is to be measured begins, its own included; zero when no more are.
    pub(super) fn at_most(&self) -> u32 {
        if self.started < self.size { self.at_most } else { 0 }
    }

    /// Takes a call: its mark, unless there are enough.
    pub(super) fn take(&mut self) -> Option<u32> {
        if self.started >= self.size {
            return None;
        }
        self.started += 1;
        Some(self.id)
    }

    /// A call with that mark was never made.
    pub(super) fn give_back(&mut self, mark: u32) {
        if mark == self.id && self.started > self.ended {
            self.started -= 1;
        }
    }

    /// A call with that mark has ended, and held so many slots for so long if it worked. What was measured, if it was the last.
    pub(super) fn end(&mut self, mark: u32, slots: u32, worked: Option<u64>) -> Option<Measured> {
        if mark != self.id || !self.is_open() {
            return None;
        }
        self.ended += 1;
        if let Some(nanos) = worked {
            self.worked += 1;
            self.slots += u64::from(slots);
            self.nanos += u128::from(slots) * u128::from(nanos);
        }
        (self.started == self.size && self.ended >= self.started).then(|| self.close())
    }

    /// What was measured up to now.
    pub(super) fn close(&mut self) -> Measured {
        let Self { worked, slots, nanos, probing, .. } = *self;
        let measured = Measured { worked: worked.into(), slots, nanos, probing };
        self.discard();
        measured
    }
}
