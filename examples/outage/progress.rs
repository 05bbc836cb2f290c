//! What can be seen while it goes on. It goes to standard error: standard output is for results.

use std::{
    io::{IsTerminal, Write, stderr},
    sync::Arc,
    time::Duration,
};

use cofferdam::{BreakerState, Instant};
use tokio::time::sleep;

use crate::{scenario::Phase, side::Side};

/// How often the line is drawn anew.
const TICK: Duration = Duration::from_millis(250);

/// What the lines below it say. They fit a terminal of eighty columns, as a line that wraps cannot be redrawn.
const HEADING: &str = "payments ...   | healthy requests served, calls to payments    (and the breaker)";

pub(crate) struct Progress<'a> {
    sides: &'a [Arc<Side>],
    start: Instant,
    is_terminal: bool,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(sides: &'a [Arc<Side>]) -> Self {
        let _ = writeln!(stderr(), "{HEADING}");
        Self { sides, start: Instant::now(), is_terminal: stderr().is_terminal() }
    }

    /// Shows a phase until it is over: a line that is redrawn, or one in all where nothing can be redrawn.
    pub(crate) async fn follow(&mut self, phase: Phase, until: Instant) {
        let begin = Instant::now();
        loop {
            let now = Instant::now();
            let left = until.since(now);
            if left.is_zero() {
                break;
            }
            if self.is_terminal {
                // The last second, or what of it belongs to this phase.
                self.draw(phase, now.since(begin).min(Duration::from_secs(1)), now);
            }
            sleep(if self.is_terminal { left.min(TICK) } else { left }).await;
        }
        let now = Instant::now();
        self.draw(phase, now.since(begin), now);
        let _ = writeln!(stderr());
    }

    fn draw(&self, phase: Phase, window: Duration, now: Instant) {
        let then = Instant::ORIGIN.after(now.since(Instant::ORIGIN).saturating_sub(window));
        let mut line = format!("{:5.1} s {:<6}", now.since(self.start).as_secs_f64(), phase.name());
        for side in self.sides {
            line += &describe(side, then, window.as_secs_f64());
        }
        let redraw = if self.is_terminal { "\r\x1b[K" } else { "" };
        // A run does not fail because nobody looks on.
        let _ = write!(stderr(), "{redraw}{line}");
        let _ = stderr().flush();
    }
}

fn describe(side: &Side, then: Instant, window: f64) -> String {
    let (all, served) = side.healthy_since(then);
    let healthy = if all == 0 { "  -  ".into() } else { format!("{:5.1}", 100.0 * served as f64 / all as f64) };
    let calls = side.payments().calls_since(then) as f64 / window.max(0.001);
    let breaker = match side.breaker() {
        None => "",
        Some(BreakerState::Closed) => " closed",
        Some(BreakerState::HalfOpen) => " half-open",
        Some(_) => " open",
    };
    format!(" | {} {healthy} % {calls:3.0}/s{breaker}", side.name())
}
