//! Fan-outs that come at random and do not wait for each other, and how long they took.

use std::time::Duration;

use cofferdam::Instant;
use futures_util::future::join_all;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::{
    client::Client,
    dice::Dice,
    leaves::{self, Leaves},
    pauses::Pauses,
};

/// Fan-outs a second.
pub(crate) const RATE: f64 = 40.0;

/// What is asked so early is not counted: there are no connections yet, and nothing is known.
const WARM_UP: Duration = Duration::from_secs(2);

/// A tenth of a second is long for what is done in ten milliseconds.
const LONG: Duration = Duration::from_millis(100);

const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it, the beginning apart and what fell into pauses of the machine: into the first tenth of a second of a
/// fan-out, whatever became of it, so that it is as likely for short ones as for long ones.
pub(crate) struct Log {
    pub(crate) asked: usize,
    pub(crate) disturbed: usize,
    /// In order; of those that had all their answers.
    times: Vec<Duration>,
    pub(crate) calls_per_request: f64,
}

impl Log {
    pub(crate) fn good(&self) -> usize {
        self.times.len()
    }

    /// How many took long, or had not all their answers.
    pub(crate) fn long(&self) -> usize {
        self.asked - self.times.partition_point(|time| *time <= LONG)
    }

    /// What that share took less than.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let place = (self.times.len() as f64 * share) as usize;
        self.times.get(place.min(self.times.len().saturating_sub(1))).copied().unwrap_or(PATIENCE)
    }
}

/// Sends every fan-out as it is due, and waits for the last answer.
pub(crate) async fn run(leaves: &Leaves, client: Client, length: Duration, pauses: &Pauses) -> Log {
    let (start, mut due, mut sent, mut all) = (Instant::now(), Duration::ZERO, JoinSet::new(), 0_u64);
    let mut dice = Dice::new();
    while due < length {
        due += dice.wait(RATE);
        sleep(due.saturating_sub(Instant::now().since(start))).await;
        all += 1;
        let client = client.clone();
        sent.spawn(async move {
            let calls = (0..leaves::COUNT).map(|leaf| client.clone().oneshot(leaf));
            let answers = timeout(PATIENCE, join_all(calls)).await;
            let good = answers.is_ok_and(|answers| answers.iter().all(|answer| matches!(answer, Ok(true))));
            // From when it was due: that a busy machine sends it late is part of what is waited for.
            (due, good.then(|| Instant::now().since(start).saturating_sub(due)))
        });
    }
    let counted = sent.join_all().await.into_iter().filter(|(due, _)| *due >= WARM_UP);
    let is_disturbed = |due| pauses.any(start.after(due), start.after(due + LONG));
    let (disturbed, counted): (Vec<_>, Vec<_>) = counted.partition(|(due, _)| is_disturbed(*due));
    let mut times: Vec<_> = counted.iter().filter_map(|(_, took)| *took).collect();
    times.sort_unstable();
    let calls_per_request = leaves.calls() as f64 / (all * leaves::COUNT as u64) as f64;
    Log { asked: counted.len(), disturbed: disturbed.len(), times, calls_per_request }
}
