use std::collections::VecDeque;

use super::{What, observers, tell};
use crate::kernel::{
    Name,
    sync::{AtomicBool, Mutex, Ordering, lock},
};

/// The changes of one policy, on their way to those who want to know of them.
///
/// The policy puts them in under its own lock, so they lie in order; they are handed out under no lock, by one thread at a
/// time, so they stay in order. A change that is made by somebody who hears of one is handed out after that.
#[derive(Debug)]
pub(crate) struct Chain<S> {
    /// A number that no other chain has.
    number: u64,
    changes: Mutex<VecDeque<Change<S>>>,
    handing_out: AtomicBool,
}

#[derive(Debug)]
struct Change<S> {
    from: S,
    to: S,
    /// From within how many observers it was made.
    depth: usize,
}

/// More changes than that are not kept: two of them become one, so that each still begins where the one before ended.
const MOST: usize = 64;

impl<S: Copy + PartialEq> Chain<S> {
    pub(crate) fn new() -> Self {
        Self { number: number(), changes: Mutex::new(VecDeque::new()), handing_out: AtomicBool::new(false) }
    }

    /// Makes a change that is put in, if it is one. It is made under a lock, so that changes that are made without another
    /// one lie in order.
    pub(crate) fn change(&self, change: impl FnOnce() -> (S, S)) {
        let mut changes = lock(&self.changes);
        let (from, to) = change();
        if from == to {
            return;
        }
        // When there are too many, the last one is made longer.
        let (mut from, mut depth) = (from, observers::depth());
        if changes.len() >= MOST
            && let Some(last) = changes.pop_back()
        {
            (from, depth) = (last.from, depth.min(last.depth));
        }
        if from != to {
            changes.push_back(Change { from, to, depth });
        }
    }

    /// Hands out what was put in. To be called under no lock.
    pub(crate) fn hand_out(&self, mut take: impl FnMut(S, S)) {
        while !lock(&self.changes).is_empty() {
            if self.handing_out.swap(true, Ordering::AcqRel) {
                // Whoever is at it looks again when it is done.
                return;
            }
            let _done = Done(&self.handing_out);
            // What an observer does is told as deep as it was done, or two that answer each other would never end.
            while let Some(Change { from, to, depth }) = self.next() {
                observers::at_depth(depth, || take(from, to));
            }
        }
    }

    fn next(&self) -> Option<Change<S>> {
        lock(&self.changes).pop_front()
    }
}

impl<S> Chain<S> {
    /// Tells observers of a change of state.
    pub(crate) fn tell_state(&self, by: Name, from: &'static str, to: &'static str) {
        if observers::anybody() {
            tell(by, What::StateChanged { policy: self.number, from, to });
        }
    }

    /// Tells observers of a change of a limit.
    pub(crate) fn tell_limit(&self, by: Name, from: u64, to: u64) {
        if observers::anybody() {
            tell(by, What::LimitChanged { policy: self.number, from, to });
        }
    }
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.swap(false, Ordering::AcqRel);
    }
}

fn number() -> u64 {
    use std::sync::atomic::AtomicU64;

    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
