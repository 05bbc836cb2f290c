//! What timeouts are set to, in a form that can change under them.

use std::time::Duration;

use crate::kernel::{
    Invalid, Name,
    clock::nanos,
    context::Bounds,
    sync::{AtomicU64, Ordering::Relaxed},
};

/// Nanoseconds of a limit that is not set.
pub(crate) const NEVER: u64 = u64::MAX;

/// The limits of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) attempt: Option<Duration>,
    pub(super) between_frames: Option<Duration>,
}

impl Limits {
    /// Whether they can be, for calls whose deadlines are looked at in that way.
    pub(super) fn check<D: Bounds>(self) -> Result<Self, Invalid> {
        if self.attempt.is_none() && self.between_frames.is_none() && !D::BOUNDS {
            return Err(Invalid::new("attempt", "left out", "set, unless `deadline` or `between_frames` is"));
        }
        let check =
            |field, limit: Option<Duration>| limit.map_or(Ok(()), |it| Invalid::unless_duration(field, it).map(drop));
        check("attempt", self.attempt)?;
        check("between_frames", self.between_frames)?;
        Ok(self)
    }
}

/// The same, shared by all services of a layer. Each is a word of its own: a call in the moment of a change may have one of the
/// old and one of the new.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) name: Name,
    attempt: AtomicU64,
    between_frames: AtomicU64,
}

impl Live {
    pub(super) fn new(name: Name, limits: Limits) -> Self {
        let live = Self { name, attempt: AtomicU64::new(NEVER), between_frames: AtomicU64::new(NEVER) };
        live.set(limits);
        live
    }

    pub(super) fn set(&self, limits: Limits) {
        self.attempt.store(limits.attempt.map_or(NEVER, nanos), Relaxed);
        self.between_frames.store(limits.between_frames.map_or(NEVER, nanos), Relaxed);
    }

    /// In nanoseconds, as calls need it.
    #[inline]
    pub(super) fn attempt(&self) -> u64 {
        self.attempt.load(Relaxed)
    }

    #[inline]
    pub(super) fn between_frames(&self) -> u64 {
        self.between_frames.load(Relaxed)
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { attempt: duration(self.attempt()), between_frames: duration(self.between_frames()) }
    }
}

/// Of a limit in nanoseconds, if it is set.
#[inline]
pub(crate) fn duration(nanos: u64) -> Option<Duration> {
    (nanos != NEVER).then(|| Duration::from_nanos(nanos))
}
