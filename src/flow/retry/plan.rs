//! What all calls of a retry share.

use std::{mem, time::Duration};

use super::{Backoff, Settings, config::When, pace::Pace};
use crate::kernel::{
    Dependency, GivenUp,
    attempts::Common,
    budget::Teller,
    clock::nanos,
    sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Ordering::Relaxed, lock},
};

/// Nanoseconds of a limit that is not set.
const NEVER: u64 = u64::MAX;

/// Each of the settings that can change is a word of its own: a call in the moment of a change may go by some of the old and some
/// of the new.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) common: Common,
    /// Hedges that share the budget leave it to this retry to tell it of calls.
    _teller: Teller,
    off: AtomicBool,
    attempts: AtomicU32,
    total: AtomicU64,
    longest_retry_after: AtomicU64,
    rejections: AtomicBool,
    pub(super) pace: Pace,
    /// Read only where an attempt has failed, so a lock is cheap enough.
    backoff: Mutex<Backoff>,
    pub(super) when: When,
}

impl Plan {
    pub(super) fn new(common: Common, settings: Settings) -> Self {
        let plan = Self {
            _teller: common.budget.teller(),
            common,
            off: AtomicBool::new(false),
            attempts: AtomicU32::new(1),
            total: AtomicU64::new(NEVER),
            longest_retry_after: AtomicU64::new(0),
            rejections: AtomicBool::new(false),
            pace: Pace::default(),
            backoff: Mutex::new(settings.backoff.clone()),
            when: settings.when.clone(),
        };
        plan.set(&settings);
        plan
    }

    /// Changes all that can change.
    pub(super) fn set(&self, settings: &Settings) {
        self.attempts.store(settings.attempts, Relaxed);
        self.total.store(settings.total.map_or(NEVER, nanos), Relaxed);
        self.longest_retry_after.store(nanos(settings.longest_retry_after), Relaxed);
        self.rejections.store(settings.rejections, Relaxed);
        // What is replaced may be a function, which is dropped under no lock.
        let before = mem::replace(&mut *lock(&self.backoff), settings.backoff.clone());
        drop(before);
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            attempts: self.attempts.load(Relaxed),
            total: self.total(),
            backoff: self.backoff(),
            longest_retry_after: self.longest_retry_after(),
            when: self.when.clone(),
            rejections: self.rejections(),
        }
    }

    pub(super) fn backoff(&self) -> Backoff {
        lock(&self.backoff).clone()
    }

    pub(super) fn switch(&self, off: bool) {
        self.off.store(off, Relaxed);
    }

    pub(super) fn is_off(&self) -> bool {
        self.off.load(Relaxed)
    }

    /// How many attempts are made at most.
    #[inline]
    pub(super) fn attempts(&self) -> u32 {
        if self.is_off() { 1 } else { self.attempts.load(Relaxed) }
    }

    /// Why a call has one attempt, of which nothing was kept for another.
    #[cold]
    pub(super) fn why_once(&self) -> GivenUp {
        match self.attempts.load(Relaxed) {
            _ if self.is_off() => GivenUp::Off,
            1 => GivenUp::Attempts,
            _ => GivenUp::Unrepeatable,
        }
    }

    #[inline]
    pub(super) fn total(&self) -> Option<Duration> {
        let nanos = self.total.load(Relaxed);
        (nanos != NEVER).then(|| Duration::from_nanos(nanos))
    }

    pub(super) fn longest_retry_after(&self) -> Duration {
        Duration::from_nanos(self.longest_retry_after.load(Relaxed))
    }

    pub(super) fn rejections(&self) -> bool {
        self.rejections.load(Relaxed)
    }

    /// Whether the breaker is known not to be closed.
    pub(super) fn is_open(&self) -> bool {
        self.common.dependency.as_ref().is_some_and(Dependency::is_open)
    }
}
