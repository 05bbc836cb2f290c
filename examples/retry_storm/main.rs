//! A server stalls for some seconds. Who sends again what failed, as most do, keeps it down for ever after; a client of this
//! crate has all its answers back within a second and a half.
//!
//! Two servers of two workers that take 20 ms, over HTTP, each with a client of its own that asks as often as seven tenths
//! of them can answer. Either sends a request up to four times, with full jitter. One client is a loop around Hyper that gives
//! an attempt a second; the other is the stack for clients as it is, `cofferdam::http::client`, around the same.
//!
//! ```sh
//! cargo run --release --example retry_storm            # half a minute
//! cargo run --release --example retry_storm -- --quick # within 20 seconds
//! ```

#[path = "../arguments/mod.rs"]
mod arguments;
#[path = "../chart/mod.rs"]
mod chart;
mod client;
#[path = "../dice/mod.rs"]
mod dice;
mod load;
mod plot;
mod server;
#[path = "../serving/mod.rs"]
mod serving;

use std::{fs, process::ExitCode, time::Duration};

use arguments::Arguments;
use cofferdam::BoxError;
use load::{Log, Phases};
use serde_json::{Value, json};
use server::Server;

/// Requests a second that the workers of a server can do, and the share of that which comes.
const CAPACITY: f64 = server::WORKERS as f64 / 0.02;
const LOAD: f64 = 0.7;

const USAGE: &str = "\
usage: retry_storm [--quick] [--json]

  --quick  a shorter stall: the run ends within 20 seconds
  --json   the figures as one JSON object, on the last line of standard output
  --help   this text

It exits with 0 if the stall was contained, with 1 if not, and writes target/retry_storm.svg.";

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments = match Arguments::read(USAGE) {
        Ok(arguments) => arguments,
        Err(code) => return Ok(code),
    };
    let [stall, healed, end] = if arguments.quick { [2, 6, 14] } else { [5, 15, 30] }.map(Duration::from_secs);
    let phases = Phases { stall, healed, end };

    let servers = [Server::start().await?, Server::start().await?];
    let (plain, contained, (), ()) = tokio::join!(
        load::run(&servers[0], client::plain(servers[0].uri()), &phases),
        load::run(&servers[1], client::contained(servers[1].uri())?, &phases),
        load::progress([&servers[0], &servers[1]], &phases),
        load::stall([&servers[0], &servers[1]], &phases),
    );

    fs::create_dir_all("target")?;
    fs::write("target/retry_storm.svg", plot::plot([&plain, &contained], &phases))?;
    println!("{:12}{:>14}{:>22}{:>26}", "", "back after", "calls for a request", "answered at the end");
    let figures = [("plain", Figures::of(&plain, &phases)), ("contained", Figures::of(&contained, &phases))];
    for (name, figures) in &figures {
        let recovery = figures.recovery_s.map_or("never".into(), |recovery| format!("{recovery:.1} s"));
        println!("{name:12}{recovery:>14}{:>22.2}{:>24.1} %", figures.calls_per_request, figures.answered_pct);
    }
    let [(_, plain), (_, contained)] = figures;
    let passed = contained.is_contained() && !plain.is_contained();
    println!("{}; the plot is target/retry_storm.svg", if passed { "contained" } else { "NOT CONTAINED" });
    if contained.missed_pct > 1.0 {
        println!(
            "The machine was busy: {:.1} % of the requests could not be sent in time, and what is said may be about it.",
            contained.missed_pct
        );
    }
    if arguments.json {
        println!("{}", json!({ "plain": plain.json(), "contained": contained.json() }));
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Figures {
    /// From the end of the stall. There is none if it was never over.
    recovery_s: Option<f64>,
    calls_per_request: f64,
    /// Of what was due in the last quarter of the time after the stall.
    answered_pct: f64,
    /// Not sent, as the machine was busy.
    missed_pct: f64,
}

impl Figures {
    fn of(log: &Log, phases: &Phases) -> Self {
        let last = phases.end - (phases.end - phases.healed) / 4;
        Self {
            recovery_s: log.recovery(phases).map(|recovery| recovery.as_secs_f64()),
            calls_per_request: log.calls_per_request(),
            answered_pct: 100.0 * log.success(last, phases.end),
            missed_pct: 100.0 * log.missed(),
        }
    }

    fn is_contained(&self) -> bool {
        let is_back = self.recovery_s.is_some_and(|recovery| recovery <= 1.5);
        is_back && self.calls_per_request <= 1.1 && self.answered_pct >= 99.5
    }

    fn json(&self) -> Value {
        json!({
            "recovery_s": self.recovery_s,
            "calls_per_request": self.calls_per_request,
            "answered_pct": self.answered_pct,
            "missed_pct": self.missed_pct,
        })
    }
}
