use std::time::Duration;

use super::live::{NEVER, duration};
use crate::kernel::{Deadline, Name};

/// How quickly an answer must follow its head.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub(crate) name: Name,
    /// In nanoseconds, or [`NEVER`]: responses are moved a lot, and this moves with them.
    pub(crate) between_frames: u64,
    pub(crate) deadline: Option<Deadline>,
}

impl Pace {
    /// The timeout's name.
    #[must_use]
    pub fn name(&self) -> Name {
        self.name
    }

    /// The longest wait from the head to the first frame of a body, and from each frame to the next.
    #[must_use]
    pub fn between_frames(&self) -> Option<Duration> {
        duration(self.between_frames)
    }

    /// When the whole answer must be there.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Whether there is anything that bounds it.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.between_frames != NEVER || self.deadline.is_some()
    }
}
