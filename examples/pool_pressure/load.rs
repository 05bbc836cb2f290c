//! Requests that come at random and do not wait for each other, and what became of them.

use std::time::Duration;

use cofferdam::Instant;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    RATE,
    dependency::{Dependency, Health, uri},
    dice::Dice,
    front::{Front, PATIENCE, hyper, request},
};

/// A request that the machine did not get to for so long is not sent any more. All of a pause would come at once, and nobody
/// meant that.
const LATE: Duration = Duration::from_millis(50);

/// What is wrong with the one dependency, and from when to when.
pub(crate) struct Trouble {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    pub(crate) health: Health,
}

pub(crate) struct Timeline {
    pub(crate) troubles: [Trouble; 2],
    pub(crate) end: Duration,
}

pub(crate) struct Sent {
    pub(crate) due: Duration,
    /// For the dependency that gets into trouble.
    pub(crate) to_b: bool,
    pub(crate) good: bool,
}

/// What became of each request; when calls came to the dependency in trouble; and how many requests were not sent, as the
/// machine had other things to do.
pub(crate) struct Log {
    pub(crate) sent: Vec<Sent>,
    pub(crate) calls: Vec<Duration>,
    missed: usize,
}

impl Log {
    /// Which share of what was due in that time, for the one or for the other, had a good answer in time.
    pub(crate) fn good(&self, to_b: bool, from: Duration, to: Duration) -> f64 {
        let due = || self.sent.iter().filter(|sent| sent.to_b == to_b && (from..to).contains(&sent.due));
        due().filter(|sent| sent.good).count() as f64 / due().count().max(1) as f64
    }

    /// Calls a second in that time.
    pub(crate) fn calls(&self, from: Duration, to: Duration) -> f64 {
        self.calls.iter().filter(|at| (from..to).contains(at)).count() as f64 / (to - from).as_secs_f64()
    }

    /// How long after a trouble its requests go well again: until the first half second of which 95 % do.
    pub(crate) fn back(&self, healed: Duration, end: Duration) -> Option<Duration> {
        let (step, well) = (Duration::from_millis(50), Duration::from_millis(500));
        let starts = (0..).map(|turn| healed + step * turn).take_while(|start| *start + well <= end);
        starts.into_iter().find(|start| self.good(true, *start, *start + well) >= 0.95).map(|start| start - healed)
    }

    /// The share of the requests that were not sent.
    pub(crate) fn missed(&self) -> f64 {
        self.missed as f64 / (self.missed + self.sent.len()).max(1) as f64
    }
}

/// Sends every request as it is due, and waits for the last answer.
pub(crate) async fn run(front: &Front, timeline: &Timeline) -> Log {
    let (start, mut due, mut sent) = (Instant::now(), Duration::ZERO, JoinSet::new());
    let (client, paths) = (hyper(), ["a", "b"].map(|path| uri(front.address, path)));
    let (mut missed, mut dice) = (0, Dice::new());
    while due < timeline.end {
        due += dice.wait(RATE);
        sleep(due.saturating_sub(Instant::now().since(start))).await;
        if Instant::now().since(start) > due + LATE {
            missed += 1;
            continue;
        }
        let (client, to_b) = (client.clone(), dice.roll() < 0.5);
        let mut request = request(&paths[usize::from(to_b)]);
        request.headers_mut().insert("x-request-timeout-ms", PATIENCE.as_millis().to_string().parse().expect("digits"));
        sent.spawn(async move {
            let answer = timeout(PATIENCE, client.request(request)).await;
            Sent { due, to_b, good: matches!(answer, Ok(Ok(response)) if response.status().is_success()) }
        });
    }
    let sent = sent.join_all().await;
    let [_, b] = &front.dependencies;
    let calls = b.calls().into_iter().map(|call| call.since(start)).collect();
    Log { sent, calls, missed }
}

/// Makes them sick and well again when it is time, by the clock and whatever the callers do.
pub(crate) async fn trouble(sick: [&Dependency; 2], timeline: &Timeline) {
    let start = Instant::now();
    for Trouble { from, to, health } in &timeline.troubles {
        for (at, health) in [(*from, *health), (*to, Health::Well)] {
            sleep(at.saturating_sub(Instant::now().since(start))).await;
            sick.iter().for_each(|dependency| dependency.set(health));
        }
    }
}
