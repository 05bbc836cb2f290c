//! What is made of what was seen.

use super::{BEGINS, Front};

pub(super) struct Asked {
    pub(super) to_b: bool,
    pub(super) began: f64,
    pub(super) took: f64,
    pub(super) good: bool,
}

/// What was seen.
pub struct Seen {
    pub(super) front: Front,
    pub(super) asked: Vec<Asked>,
    /// When B was called.
    pub(super) calls: Vec<f64>,
}

/// What is looked at. Shares are of the requests that came in the time of trouble.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// Of all requests, before there was any trouble: the share that was lost.
    pub lost_before: f64,
    pub a_lost: f64,
    /// Lost, or answered after more than 100 ms.
    pub a_late: f64,
    pub b_good: f64,
    /// The same, as a share of what is possible where B has all the slots that A does not need.
    pub b_of_possible: f64,
    /// Answered within 5 ms, well or not.
    pub b_at_once: f64,
    /// Calls to B a second, in all the time of trouble and after its first two seconds.
    pub calls: f64,
    pub calls_once_known: f64,
    /// After how many seconds B's requests go well again, and all that follow: to half a second.
    pub b_back: f64,
    /// After how many seconds the first five begin in which 95 % of B's requests go well: to half a second.
    pub b_recovery: f64,
}

impl Figures {
    /// The worse of both, one by one.
    pub(super) fn worse(self, other: Self) -> Self {
        Self {
            lost_before: self.lost_before.max(other.lost_before),
            a_lost: self.a_lost.max(other.a_lost),
            a_late: self.a_late.max(other.a_late),
            b_good: self.b_good.min(other.b_good),
            b_of_possible: self.b_of_possible.min(other.b_of_possible),
            b_at_once: self.b_at_once.min(other.b_at_once),
            calls: self.calls.max(other.calls),
            calls_once_known: self.calls_once_known.max(other.calls_once_known),
            b_back: self.b_back.max(other.b_back),
            b_recovery: self.b_recovery.max(other.b_recovery),
        }
    }
}

impl Seen {
    pub fn figures(&self) -> Figures {
        let (from, to) = (BEGINS, self.front.ends());
        let b_good = self.share(true, from, to, |asked| asked.good);
        let lost = |to_b| self.share(to_b, 2.0, from, |asked| !asked.good);
        Figures {
            lost_before: lost(false).max(lost(true)),
            a_lost: self.share(false, from, to, |asked| !asked.good),
            a_late: self.share(false, from, to, |asked| !asked.good || asked.took > 0.1),
            b_good,
            b_of_possible: match self.front.possible() {
                possible if possible > 0.0 => (b_good / possible).min(1.0),
                _ => 1.0,
            },
            b_at_once: self.share(true, from, to, |asked| asked.took < 0.005),
            calls: self.calls(from, to),
            calls_once_known: self.calls((from + 2.0).min(to), to),
            b_back: self.b_back(),
            b_recovery: self.b_recovery(),
        }
    }

    fn share(&self, to_b: bool, from: f64, to: f64, of: impl Fn(&Asked) -> bool) -> f64 {
        let asked = || self.asked.iter().filter(|asked| asked.to_b == to_b && asked.began >= from && asked.began < to);
        asked().filter(|asked| of(asked)).count() as f64 / asked().count().max(1) as f64
    }

    /// Requests for A or for B that came between these two moments and were lost, a second.
    pub fn lost(&self, to_b: bool, from: f64, to: f64) -> f64 {
        let of = |asked: &&Asked| asked.to_b == to_b && !asked.good && (from..to).contains(&asked.began);
        self.asked.iter().filter(of).count() as f64 / (to - from)
    }

    /// Calls to B between these two moments, a second.
    pub fn calls(&self, from: f64, to: f64) -> f64 {
        self.calls.iter().filter(|at| (from..to).contains(*at)).count() as f64 / (to - from).max(0.1)
    }

    fn b_back(&self) -> f64 {
        let buckets = (0..20).map(f64::from);
        let bad = buckets.filter(|bucket| {
            let from = self.front.ends() + bucket / 2.0;
            self.share(true, from, from + 0.5, |asked| !asked.good) > 0.05
        });
        bad.max_by(f64::total_cmp).map_or(0.0, |bucket| (bucket + 1.0) / 2.0)
    }

    fn b_recovery(&self) -> f64 {
        let starts = (0..20).map(|half| f64::from(half) / 2.0);
        let is_well = |start: &f64| {
            let from = self.front.ends() + start;
            self.share(true, from, from + 5.0, |asked| asked.good) >= 0.95
        };
        starts.into_iter().find(is_well).unwrap_or(f64::INFINITY)
    }
}
