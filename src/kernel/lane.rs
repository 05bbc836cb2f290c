//! Which stripe of a striped value this thread writes to.
//!
//! What many threads write is striped: each of them writes to a line of memory of its own, and whoever reads adds up.
//! Two threads that write to one word take turns at it, and do less together than one of them alone.

use std::sync::LazyLock;

/// More stripes than this do not pay for the memory they take.
const MOST: usize = 64;

/// A power of two: as many stripes as there are processors, or a few more.
static LANES: LazyLock<usize> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.next_power_of_two().min(MOST)
});

/// How many stripes there are.
#[cfg(not(cofferdam_loom))]
pub(crate) fn lanes() -> usize {
    *LANES
}

/// The stripe of this thread, for a value that has `lanes` of them: a power of two.
#[cfg(not(cofferdam_loom))]
#[inline]
pub(crate) fn lane(lanes: usize) -> usize {
    own::LANE.get().unwrap_or_else(own::assign) & (lanes - 1)
}

#[cfg(not(cofferdam_loom))]
mod own {
    use std::{
        cell::Cell,
        sync::atomic::{AtomicUsize, Ordering},
    };

    thread_local! {
        pub(super) static LANE: Cell<Option<usize>> = const { Cell::new(None) };
    }

    /// Threads get their stripes in turn.
    #[cold]
    pub(super) fn assign() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let lane = NEXT.fetch_add(1, Ordering::Relaxed);
        LANE.set(Some(lane));
        lane
    }
}

/// Two, so that models have something to add up.
#[cfg(cofferdam_loom)]
pub(crate) fn lanes() -> usize {
    let _ = &LANES;
    2
}

/// The stripe of a model's thread: by its number, as every run of the model must be the same.
#[cfg(cofferdam_loom)]
pub(crate) fn lane(lanes: usize) -> usize {
    super::sync::thread_number() & (lanes - 1)
}

/// Keeps what is in it on lines of memory of its own: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Lane<T>(pub(crate) T);
