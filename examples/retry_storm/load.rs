//! Requests that come at random and do not wait for each other, and what became of them.

use std::time::Duration;

use cofferdam::Instant;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::ServiceExt;

use crate::{CAPACITY, LOAD, client::Client, server::Server};

/// For how long somebody waits for an answer: as long as four attempts may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// When the stall begins and ends, and when all ends.
pub(crate) struct Phases {
    pub(crate) stall: Duration,
    pub(crate) healed: Duration,
    pub(crate) end: Duration,
}

/// When each request was due and whether it had a good answer; and when calls came to the server.
pub(crate) struct Log {
    pub(crate) sent: Vec<(Duration, bool)>,
    pub(crate) calls: Vec<Duration>,
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
    let mut dice: u64 = 0x00C0_FFEE;
    while due < phases.end {
        // Xorshift, by Marsaglia: the same for both clients.
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let chance = (dice >> 11) as f64 / (1_u64 << 53) as f64;
        due += Duration::from_secs_f64(-(1.0 - chance).ln() / (LOAD * CAPACITY));
        sleep(due.saturating_sub(Instant::now().since(start))).await;
        server.stall((phases.stall..phases.healed).contains(&due));
        let client = client.clone();
        sent.spawn(async move { (due, matches!(timeout(PATIENCE, client.oneshot(())).await, Ok(Ok(true)))) });
    }
    let sent = sent.join_all().await;
    let calls = server.calls().into_iter().map(|call| call.since(start)).collect();
    Log { sent, calls }
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
