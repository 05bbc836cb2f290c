//! The figures, and what exactly they mean.

use std::time::Duration;

use cofferdam::Instant;

use crate::{
    log::{Kind, Log, Sent, lost, percentile},
    scenario::{Phase, Stretch, Timeline},
};

/// More calls than this within [`BURST_TIME`] are not probes any more, of which the first goes alone.
const BURST: usize = 3;
const BURST_TIME: Duration = Duration::from_millis(500);

/// Of healthy requests, this share may be lost while one says that an outage is contained.
const TOLERATED: f64 = 0.001;

/// To say that something holds to the end of a phase, so much of the phase must be left.
const LEFT: Duration = Duration::from_secs(2);

/// As precise as times are found.
const STEP: Duration = Duration::from_millis(50);

/// Payments are back when of those due within so long, this share is served.
const BACK_TIME: Duration = Duration::from_millis(500);
const BACK: f64 = 0.95;

pub(crate) struct Figures {
    /// Of the healthy requests due in the outage, the share that was not served.
    pub(crate) healthy_lost_pct: f64,
    /// What those took that were served. There may be none.
    pub(crate) healthy_p50_ms: Option<f64>,
    pub(crate) healthy_p99_ms: Option<f64>,
    /// While payments hung, and from when the protected side had contained it.
    pub(crate) sick_calls_per_s: f64,
    /// What it took in the same time until a request for payments was answered, or given up.
    pub(crate) sick_answer_p95_ms: Option<f64>,
    /// How much of that is this machine's own: from when a request was due until it was sent.
    pub(crate) sent_late_p95_ms: Option<f64>,
    /// From the beginning of the hang. There is none if it was not contained before the end of it.
    pub(crate) contain_s: Option<f64>,
    /// From the healing. There is none if payments were not served again before the end.
    pub(crate) recovery_s: Option<f64>,
}

impl Figures {
    /// `contained` is where what holds once contained is measured: the same stretch for both sides.
    pub(crate) fn new(log: &Log, timeline: &Timeline, contained: &Stretch) -> Self {
        let (outage, hang) = (timeline.outage(), timeline.phase(Phase::Hang));
        let served = || log.due(Kind::Healthy, &outage).filter(|sent| sent.served).map(|sent| sent.took);
        Self {
            healthy_lost_pct: 100.0 * lost(log.due(Kind::Healthy, &outage)),
            healthy_p50_ms: percentile(served(), 0.5),
            healthy_p99_ms: percentile(served(), 0.99),
            sick_calls_per_s: log.calls(contained) as f64 / contained.end.since(contained.start).as_secs_f64(),
            sick_answer_p95_ms: percentile(log.due(Kind::Sick, contained).map(|sent| sent.took), 0.95),
            sent_late_p95_ms: percentile(log.due(Kind::Sick, contained).map(|sent| sent.late), 0.95),
            contain_s: contained_from(log, &hang).map(|moment| moment.since(hang.start).as_secs_f64()),
            recovery_s: recovered(log, &timeline.phase(Phase::Healed)),
        }
    }
}

/// The part of the hang in which it is contained, or its second half if it never is.
pub(crate) fn contained(log: &Log, timeline: &Timeline) -> Stretch {
    let hang = timeline.phase(Phase::Hang);
    let half = hang.start.after(hang.end.since(hang.start) / 2);
    contained_from(log, &hang).unwrap_or(half)..hang.end
}

/// The first moment from which on, to the end, no healthy request is lost (but for [`TOLERATED`]) and no burst of calls
/// reaches the sick service.
fn contained_from(log: &Log, hang: &Stretch) -> Option<Instant> {
    let calls: Vec<Instant> = log.sick_calls.iter().copied().filter(|call| hang.contains(call)).collect();
    let is_burst = |calls: &&[Instant]| calls[BURST].since(calls[0]) < BURST_TIME;
    let last_burst = calls.windows(BURST + 1).rfind(is_burst);
    let after_bursts = last_burst.map_or(hang.start, |calls| calls[BURST].after(Duration::from_nanos(1)));
    let loses_nothing = |from: &Instant| lost(log.due(Kind::Healthy, &(*from..hang.end))) <= TOLERATED;
    moments(after_bursts).take_while(|from| hang.end.since(*from) >= LEFT).find(loses_nothing)
}

/// How long after the healing payments are back: until the first stretch in which nearly all are served.
fn recovered(log: &Log, healed: &Stretch) -> Option<f64> {
    let is_back = |from: &Instant| {
        let due: Vec<&Sent> = log.due(Kind::Sick, &(*from..from.after(BACK_TIME))).collect();
        !due.is_empty() && 1.0 - lost(due.into_iter()) >= BACK
    };
    let last = |from: &Instant| healed.end.since(*from) >= BACK_TIME;
    moments(healed.start).take_while(last).find(is_back).map(|moment| moment.since(healed.start).as_secs_f64())
}

fn moments(from: Instant) -> impl Iterator<Item = Instant> {
    (0..).map(move |step| from.after(STEP * step))
}
