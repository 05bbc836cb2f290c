use std::time::Duration;

use super::{Dependency, Fact};
use crate::kernel::{
    Instant,
    sync::{Ordering, lock},
};

/// What one of those who know something of a [`Dependency`] has stated. When it is dropped, all of that is taken back.
///
/// It takes a lock, for a few instructions: state what has changed, and not at every call.
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Dependency, Instant, dependency::Fact};
///
/// let payments = Dependency::builder("payments").build()?;
/// let (report, now) = (payments.report(), Instant::now());
/// report.state(Fact::Pressed, now.after(Duration::from_secs(60)));
/// assert!(payments.is_under_pressure());
/// drop(report);
/// assert!(!payments.is_under_pressure());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Debug)]
#[must_use = "what it states is taken back when it is dropped"]
pub struct Report {
    dependency: Dependency,
    key: usize,
}

/// For so long pressure holds that was felt at one call.
const FELT_FOR: Duration = Duration::from_secs(1);

impl Report {
    pub(super) fn new(dependency: Dependency) -> Self {
        let key = lock(&dependency.0.claims).insert([Instant::ORIGIN; Fact::ALL.len()]);
        Self { dependency, key }
    }

    /// What it states something of.
    #[must_use]
    pub fn dependency(&self) -> &Dependency {
        &self.dependency
    }

    /// That holds until then, in place of what was stated of it before: until whatever others state, if that is longer.
    pub fn state(&self, fact: Fact, until: Instant) {
        let mut claims = lock(&self.dependency.0.claims);
        claims[self.key][fact as usize] = until;
        self.publish(&claims, fact);
    }

    /// That does not hold, as far as this one knows.
    pub fn take_back(&self, fact: Fact) {
        self.state(fact, Instant::ORIGIN);
    }

    /// Pressure is felt at this moment, by a call. Told of again by many calls, it costs all but a few of them a load.
    pub(crate) fn feel_pressure(&self, now: Instant) {
        if !self.dependency.is_at(Fact::Pressed, now.after(FELT_FOR / 2)) {
            self.state(Fact::Pressed, now.after(FELT_FOR));
        }
    }

    /// Takes that back if anybody states it: a load if nobody does.
    pub(crate) fn end(&self, fact: Fact) {
        if self.dependency.until(fact) != 0 {
            self.take_back(fact);
        }
    }

    /// Under the lock, so that what is published last was stated last.
    fn publish(&self, claims: &slab::Slab<super::Until<Instant>>, fact: Fact) {
        let until = claims.iter().map(|(_, until)| until[fact as usize]).max().unwrap_or(Instant::ORIGIN);
        self.dependency.0.until[fact as usize].store(until.as_nanos(), Ordering::Relaxed);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let mut claims = lock(&self.dependency.0.claims);
        claims.remove(self.key);
        Fact::ALL.into_iter().for_each(|fact| self.publish(&claims, fact));
    }
}
