//! What was seen of one side.

use std::time::Duration;

use cofferdam::Instant;

use crate::scenario::Stretch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Needs only what is well.
    Healthy,
    /// Needs what is sick.
    Sick,
}

/// One request, as its sender saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) kind: Kind,
    /// When it was to be sent. A late sender is not let off: what a request takes is counted from here.
    pub(crate) due: Instant,
    pub(crate) took: Duration,
    /// How late it was sent: what it took by no fault of those who answer it.
    pub(crate) late: Duration,
    /// It was answered, in time and with what was asked for.
    pub(crate) served: bool,
}

/// All that is known at the end: every figure and every line of the plot is made from this.
pub(crate) struct Log {
    pub(crate) sent: Vec<Sent>,
    /// When calls arrived at the sick service.
    pub(crate) sick_calls: Vec<Instant>,
}

impl Log {
    /// The requests of a kind that were due in a stretch.
    pub(crate) fn due(&self, kind: Kind, stretch: &Stretch) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.kind == kind && stretch.contains(&sent.due))
    }

    /// Calls that arrived at the sick service in a stretch.
    pub(crate) fn calls(&self, stretch: &Stretch) -> usize {
        self.sick_calls.iter().filter(|call| stretch.contains(call)).count()
    }
}

/// The share of requests that were not served; none of none.
pub(crate) fn lost<'a>(sent: impl Iterator<Item = &'a Sent>) -> f64 {
    let (all, lost) = sent.fold((0_u32, 0_u32), |(all, lost), sent| (all + 1, lost + u32::from(!sent.served)));
    f64::from(lost) / f64::from(all.max(1))
}

/// What this share of the times are at most, in milliseconds; `None` if there are none.
pub(crate) fn percentile(times: impl Iterator<Item = Duration>, share: f64) -> Option<f64> {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    let rank = (share * times.len() as f64).ceil() as usize;
    Some(times.get(rank.max(1) - 1)?.as_secs_f64() * 1000.0)
}
