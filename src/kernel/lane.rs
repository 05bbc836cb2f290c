//! Which stripe of a striped value this thread writes to.
//!
//! What many threads write is striped: each of them writes to a line of memory of its own, and whoever reads adds up.
//! Two threads that write to one word take turns at it, and do less together than one of them alone.

use std::sync::LazyLock;

use super::sync::{IN_A_MODEL, thread_number};

/// More stripes than this do not pay for the memory they take.
const MOST: usize = 64;

static LANES: LazyLock<usize> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.next_power_of_two().min(MOST)
});

/// How many stripes there are: a power of two, one for each processor or a few more.
pub(crate) fn lanes() -> usize {
    if IN_A_MODEL { 2 } else { *LANES }
}

/// The stripe of this thread, for a value that has `lanes` of them: a power of two.
#[inline]
pub(crate) fn lane(lanes: usize) -> usize {
    thread_number() & (lanes - 1)
}

/// Keeps what is in it on lines of memory of its own: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Lane<T>(pub(crate) T);
