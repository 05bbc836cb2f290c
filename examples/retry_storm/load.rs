//! Requests that come at random and do not wait for each other, and what became of them.

use std::time::Duration;

use cofferdam::Instant;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::{CAPACITY, LOAD, client::Client, dice::Dice, server::Server};

/// For how long somebody waits for an answer: as long as four attempts may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request that the machine did not get to for so long is not sent any more. All of a pause would come at once, and nobody
/// meant that.
const LATE: Duration = Duration::from_millis(100);

/// When the stall begins and ends, and when all ends.
pub(crate) struct Phases {
    pub(crate) stall: Duration,
    pub(crate) healed: Duration,
    pub(crate) end: Duration,
}

/// When each request was due and whether it had a good answer; when calls came to the server; and how many requests were not
/// sent, as the machine had other things to do.
pub(crate) struct Log {
    pub(crate) sent: Vec<(Duration, bool)>,
    pub(crate) calls: Vec<Duration>,
    pub(crate) missed: usize,
}

impl Log {
    /// The share of what was due in that time that had a good answer.
    pub(crate) fn success(&self, from: Duration, to: Duration) -> f64 {
        let due = || self.sent.iter().filter(|(due, _)| (from..to).contains(due));
        due().filter(|(_, good)| *good).count() as f64 / due().count().max(1) as f64
    }

    pub(crate) fn calls_per_request(&self) -> f64 {
        self.calls.len() as f64 / self.sent.len().max(1) as f64
    }

    /// The share of the requests that were not sent.
    pub(crate) fn missed(&self) -> f64 {
        self.missed as f64 / (self.missed + self.sent.len()).max(1) as f64
    }

    /// How long after the stall all was well again: until the first two seconds of which 95 % had a good answer.
    pub(crate) fn recovery(&self, phases: &Phases) -> Option<Duration> {
        let (step, well) = (Duration::from_millis(100), Duration::from_secs(2));
        let starts = (0..).map(|turn| phases.healed + step * turn).take_while(|start| *start + well <= phases.end);
        starts.into_iter().find(|start| self.success(*start, *start + well) >= 0.95).map(|start| start - phases.healed)
    }
}

/// Sends every request as it is due, and waits for the last answer.
pub(crate) async fn run(server: &Server, client: Client, phases: &Phases) -> Log {
    let (start, mut due, mut sent) = (Instant::now(), Duration::ZERO, JoinSet::new());
    let (mut missed, mut dice) = (0, Dice::new());
    while due < phases.end {
        due += dice.wait(LOAD * CAPACITY);
        sleep(due.saturating_sub(Instant::now().since(start))).await;
        if Instant::now().since(start) > due + LATE {
            missed += 1;
            continue;
        }
        let client = client.clone();
        sent.spawn(async move { (due, matches!(timeout(PATIENCE, client.oneshot(())).await, Ok(Ok(true)))) });
    }
    let sent = sent.join_all().await;
    let calls = server.calls().into_iter().map(|call| call.since(start)).collect();
    Log { sent, calls, missed }
}

/// Lets both servers stall when it is time, by the clock and whatever the clients do.
pub(crate) async fn stall(servers: [&Server; 2], phases: &Phases) {
    sleep(phases.stall).await;
    servers.iter().for_each(|server| server.stall(true));
    sleep(phases.healed - phases.stall).await;
    servers.iter().for_each(|server| server.stall(false));
}

/// What can be seen while it goes on, on standard error: standard output is for results.
pub(crate) async fn progress(servers: [&Server; 2], phases: &Phases) {
    let mut before = [0, 0];
    for second in 1..=phases.end.as_secs() {
        sleep(Duration::from_secs(1)).await;
        let calls = servers.map(|server| server.calls().len());
        let stalled = (phases.stall..phases.healed).contains(&Duration::from_secs(second - 1));
        let state = if stalled { "stalls" } else { "works" };
        eprintln!(
            "{second:3} s  the server {state:6}   calls a second: plain {:4}, contained {:4}",
            calls[0] - before[0],
            calls[1] - before[1]
        );
        before = calls;
    }
}
