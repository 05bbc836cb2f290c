//! An outage, lived through twice at once: by a front end as most are, and by the same one behind this crate.
//!
//! Both are Axum servers with a bounded number of slots, and call two services over Hyper: `catalog`, which is well, and
//! `payments`, which hangs in mid-run, then is slow, then errs, and heals. The same open-loop load goes to both, all over
//! loopback. It ends with a table and a report with a plot, and fails when the outage was not contained.
//!
//! ```text
//!                   .--> unprotected --+---------------------------> catalog
//!                   |    (32 slots)    '---------------------------> payments   (sick)
//!   the same load --+
//!                   |    (32 slots)    .-- breaker, slots, timeout --> catalog
//!                   '--> protected ----+-- breaker, slots, timeout --> payments (sick)
//! ```
//!
//! ```sh
//! cargo run --release --example outage            # three quarters of a minute
//! cargo run --release --example outage -- --quick # within 20 seconds
//! ```

#[path = "../arguments/mod.rs"]
mod arguments;
mod client;
mod dependency;
mod figures;
mod front;
mod load;
mod log;
mod page;
mod plot;
mod progress;
mod report;
mod scenario;
#[path = "../serving/mod.rs"]
mod serving;
mod side;

use std::{fs, path::Path, process::ExitCode, sync::Arc};

use arguments::Arguments;
use cofferdam::{BoxError, Instant};
use figures::Figures;
use progress::Progress;
use scenario::{Scenario, Timeline};
use side::Side;

const USAGE: &str = "\
Two front ends live through the outage of a service behind them, one of them protected.

usage: outage [--quick] [--json]

  --quick  a shorter outage: the run ends within 20 seconds
  --json   the figures as one JSON object, on the last line of standard output
  --help   this text

It exits with 0 if the outage was contained, with 1 if not, and writes target/outage/report.html.";

// More threads than there may be processors: on a busy machine each is another chance to be let run.
#[tokio::main(worker_threads = 8)]
async fn main() -> Result<ExitCode, BoxError> {
    match Arguments::read(USAGE) {
        Ok(arguments) => outage(&arguments).await,
        Err(code) => Ok(code),
    }
}

/// The whole story: two sides, one outage, one verdict.
async fn outage(arguments: &Arguments) -> Result<ExitCode, BoxError> {
    let sides = [Arc::new(Side::unprotected().await?), Arc::new(Side::protected().await?)];
    load::warm_up(&sides).await;

    let scenario = if arguments.quick { Scenario::QUICK } else { Scenario::FULL };
    let load = tokio::spawn(load::run(sides.to_vec(), scenario.length()));
    let timeline = live_through(&scenario, &sides).await;
    load.await?;

    let [unprotected, protected] = sides.map(|side| side.log());
    let stretch = figures::contained(&protected, &timeline);
    let figures = [&unprotected, &protected].map(|log| Figures::new(log, &timeline, &stretch));
    let rows = report::rows(&figures);
    let passed = report::passed(&rows);
    println!("{}", report::table(&rows));
    write(&page::page(&rows, &plot::plot([&unprotected, &protected], &timeline), passed))?;
    println!("{}; the report is {REPORT}", if passed { "contained" } else { "NOT CONTAINED" });
    if arguments.json {
        println!("{}", report::json(&figures));
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Goes from phase to phase, and notes when each really began.
async fn live_through(scenario: &Scenario, sides: &[Arc<Side>]) -> Timeline {
    let mut progress = Progress::new(sides);
    let mut timeline = Timeline::starting(Instant::now());
    let mut until = timeline.start();
    for (phase, length) in scenario.phases() {
        until = until.after(length);
        for side in sides {
            side.payments().suffer(phase.fault());
        }
        timeline.enter(phase, Instant::now());
        progress.follow(phase, until).await;
    }
    timeline.end(Instant::now());
    timeline
}

/// Where the report is to be found.
const REPORT: &str = "target/outage/report.html";

fn write(page: &str) -> Result<(), BoxError> {
    if let Some(folder) = Path::new(REPORT).parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(REPORT, page)?;
    Ok(())
}
