use std::time::Duration;

/// How long callers wait, from the deadlines of some of them: those who wait less than most, as they are the ones for whom
/// a call can take too long. Pure.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// The last that were looked at, in a circle.
    seen: [Duration; Self::KEPT],
    count: usize,
}

impl Patience {
    const KEPT: usize = 16;

    pub(super) fn learn(&mut self, time: Duration) {
        self.seen[self.count % Self::KEPT] = time;
        self.count += 1;
        if self.count == 2 * Self::KEPT {
            self.count = Self::KEPT;
        }
    }

    /// A quarter of the callers wait less; without any, it is what is usual.
    pub(super) fn of(&self, usual: Duration) -> Duration {
        let mut seen = self.seen;
        let seen = &mut seen[..self.count.min(Self::KEPT)];
        if seen.is_empty() {
            return usual;
        }
        seen.sort_unstable();
        seen[seen.len() / 4]
    }
}
