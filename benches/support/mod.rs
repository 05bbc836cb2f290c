//! How a call is driven, timed and compared: the same for every subject, ours or not.
#![allow(dead_code)] // two programs share this, and each needs a part of it

pub(crate) mod drive;
pub(crate) mod pair;
pub(crate) mod subject;
pub(crate) mod table;

/// How long to measure.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Batches per subject, each between one of every other subject.
    pub(crate) rounds: usize,
    /// Calls in a batch.
    pub(crate) calls: u64,
}

impl Effort {
    pub(crate) const FULL: Self = Self { rounds: 500, calls: 4000 };
    /// Batches of a tenth of the length, and fewer of them: good for the direction.
    pub(crate) const QUICK: Self = Self { rounds: 100, calls: 400 };
    /// Every subject runs, and the figures say nothing.
    pub(crate) const SMOKE: Self = Self { rounds: 2, calls: 20 };
}

/// A runtime with a clock. It is entered and never driven: tower's timeout wants one to exist.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without I/O starts")
}
