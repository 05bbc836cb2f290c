//! One of two dependencies hangs, and later becomes slow. Requests for the other one share nothing with it but the slots of
//! the front end. Who gets them?
//!
//! Two front ends of 32 slots over HTTP, each behind the stack for servers and with two dependencies behind the stack for
//! clients each. In one of them the dependencies also have shares of a pool; nothing else is different, and nothing is set.
//!
//! ```sh
//! cargo run --release --example pool_pressure            # three quarters of a minute
//! cargo run --release --example pool_pressure -- --quick # within 25 seconds
//! ```

#[path = "../arguments/mod.rs"]
mod arguments;
#[path = "../chart/mod.rs"]
mod chart;
mod dependency;
#[path = "../dice/mod.rs"]
mod dice;
mod front;
mod load;
mod plot;
#[path = "../serving/mod.rs"]
mod serving;

use std::{fs, process::ExitCode, time::Duration};

use arguments::Arguments;
use cofferdam::BoxError;
use dependency::{Health, WORK};
use front::{Front, SLOTS};
use load::{Log, Timeline, Trouble};
use serde_json::{Value, json};

/// Requests a second, half of them for either dependency.
const RATE: f64 = 200.0;

/// How many times as long the slow one takes.
const TIMES: u32 = 12;

const USAGE: &str = "\
usage: pool_pressure [--quick] [--json]

  --quick  shorter troubles: the run ends within 25 seconds
  --json   the figures as one JSON object, on the last line of standard output
  --help   this text

It exits with 0 if both troubles were contained, with 1 if not, and writes target/pool_pressure.svg.";

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments = match Arguments::read(USAGE) {
        Ok(arguments) => arguments,
        Err(code) => return Ok(code),
    };
    let times = if arguments.quick { [4, 9, 13, 18, 22] } else { [5, 17, 23, 35, 41] }.map(Duration::from_secs);
    let [hangs, hung, slows, slowed, end] = times;
    let troubles = [(hangs, hung, Health::Hangs), (slows, slowed, Health::Slow(TIMES))];
    let timeline = Timeline { troubles: troubles.map(|(from, to, health)| Trouble { from, to, health }), end };

    let [without, with] = [Front::start(false).await?, Front::start(true).await?];
    let sick = [&without.dependencies[1], &with.dependencies[1]];
    let (without, with, ()) =
        tokio::join!(load::run(&without, &timeline), load::run(&with, &timeline), load::trouble(sick, &timeline));

    fs::create_dir_all("target")?;
    fs::write("target/pool_pressure.svg", plot::plot([&without, &with], &timeline))?;
    println!("{:20}{:>24}{:>24}{:>16}{:>14}", "", "of the healthy one", "of the sick one", "calls to it", "back after");
    let sides = [("no shares", figures(&without, &timeline)), ("shares", figures(&with, &timeline))];
    for (index, what) in ["hangs", "is slow"].into_iter().enumerate() {
        for (name, figures) in &sides {
            let Figures { a, b, calls, back } = figures[index];
            let back = back.map_or("never".into(), |back| format!("{back:.2} s"));
            let (a, b) = (100.0 * a, 100.0 * b);
            println!("{what:9}{name:11}{a:>19.2} % well{b:>17.1} % well{calls:>12.1} a s{back:>14}");
        }
    }
    println!("possible while it is slow: {:.0} % of the sick one", 100.0 * possible());
    let [(_, without), (_, with_pool)] = sides;
    let passed = is_contained(&with_pool) && without[1].a < 0.9;
    println!("{}; the plot is target/pool_pressure.svg", if passed { "contained" } else { "NOT CONTAINED" });
    if with.missed() > 0.01 {
        println!(
            "The machine was busy: {:.1} % of the requests could not be sent in time, and what is said may be about it.",
            100.0 * with.missed()
        );
    }
    if arguments.json {
        println!("{}", json!({ "no_shares": without.map(Figures::json), "shares": with_pool.map(Figures::json) }));
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One trouble of one front end.
#[derive(Clone, Copy)]
struct Figures {
    /// The shares of the requests for the healthy and for the sick dependency that had a good answer in time.
    a: f64,
    b: f64,
    /// Calls to the sick one a second, from the third second on.
    calls: f64,
    /// After how many seconds the sick one's requests go well again.
    back: Option<f64>,
}

/// Both troubles of one front end.
fn figures(log: &Log, timeline: &Timeline) -> [Figures; 2] {
    let nexts = [timeline.troubles[1].from, timeline.end];
    std::array::from_fn(|index| {
        let Trouble { from, to, .. } = timeline.troubles[index];
        Figures {
            a: log.good(false, from, to),
            b: log.good(true, from, to),
            calls: log.calls(from + Duration::from_secs(2), to),
            back: log.back(to, nexts[index]).map(|back| back.as_secs_f64()),
        }
    })
}

impl Figures {
    fn json(self) -> Value {
        json!({ "healthy_well": self.a, "sick_well": self.b, "calls_a_second": self.calls, "back_s": self.back })
    }
}

/// The healthy one loses at most one in a thousand; what hangs is left alone, but for a probe a second, of which three seconds may
/// see four; what is slow gets most of what is possible; either is back within a second and a half.
fn is_contained(figures: &[Figures; 2]) -> bool {
    let [hang, slow] = figures;
    let well = figures.iter().all(|figure| figure.a >= 0.999 && figure.back.is_some_and(|back| back <= 1.5));
    well && hang.calls <= 4.0 / 3.0 + 0.01 && slow.b >= 0.6 * possible()
}

/// Which share of the slow one's requests can be answered with the slots that the other does not need.
fn possible() -> f64 {
    let (each, work) = (RATE / 2.0, WORK.as_secs_f64());
    ((SLOTS as f64 - each * work) / (each * work * f64::from(TIMES))).min(1.0)
}
