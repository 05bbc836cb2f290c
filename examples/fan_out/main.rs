//! Whoever needs twenty answers waits for the slowest. Two clients ask twenty leaves each, over HTTP: one waits for whatever
//! comes, the other has a hedge, to which nothing was said.
//!
//! Of the answers of a leaf 2 % take more than 10 ms, 0.32 % more than 70 ms, and one in 100,000 more than 1.8 s, as in *The Tail
//! at Scale* (Dean and Barroso, 2013). Both clients ask at the same time, so whatever else the machine does disturbs both; what
//! falls into moments in which it does not run us at all is left out, and counted.
//!
//! ```sh
//! cargo run --release --example fan_out            # a minute
//! cargo run --release --example fan_out -- --quick # within 15 seconds
//! ```

#[path = "../arguments/mod.rs"]
mod arguments;
#[path = "../chart/mod.rs"]
mod chart;
mod client;
#[path = "../dice/mod.rs"]
mod dice;
mod leaves;
mod load;
mod pauses;
mod plot;
#[path = "../serving/mod.rs"]
mod serving;

use std::{fs, process::ExitCode, time::Duration};

use arguments::Arguments;
use cofferdam::BoxError;
use leaves::Leaves;
use load::Log;
use pauses::Pauses;
use serde_json::{Value, json};

const USAGE: &str = "\
usage: fan_out [--quick] [--json]

  --quick  fewer fan-outs: the run ends within 15 seconds
  --json   the figures as one JSON object, on the last line of standard output
  --help   this text

It exits with 0 if the tail was cut, with 1 if not, and writes target/fan_out.svg.";

const QUANTILES: [(&str, f64); 4] = [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99), ("p999_ms", 0.999)];

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments = match Arguments::read(USAGE) {
        Ok(arguments) => arguments,
        Err(code) => return Ok(code),
    };
    let length = Duration::from_secs(if arguments.quick { 12 } else { 60 });

    let (plain, hedged) = (Leaves::start().await?, Leaves::start().await?);
    eprintln!("{} leaves, asked {} times a second by each client, for {length:?}", leaves::COUNT, load::RATE);
    let pauses = Pauses::watch();
    let (plain, hedged) = tokio::join!(
        load::run(&plain, client::plain(plain.uris()), length, &pauses),
        load::run(&hedged, client::hedged(hedged.uris())?, length, &pauses),
    );

    fs::create_dir_all("target")?;
    fs::write("target/fan_out.svg", plot::plot([&plain, &hedged]))?;
    println!(
        "{:8}{:>10}{:>10}{:>10}{:>10}{:>14}{:>22}",
        "", "p50", "p95", "p99", "p99.9", "over 100 ms", "calls for a request"
    );
    for (name, log) in [("plain", &plain), ("hedged", &hedged)] {
        let times = QUANTILES.map(|(_, share)| format!("{:>7} ms", log.quantile(share).as_millis()));
        println!("{name:8}{}{:>14}{:>22.3}", times.concat(), log.long(), log.calls_per_request);
    }
    println!(
        "Of {} and {} fan-outs; {} and {} more fell into pauses of the machine.",
        plain.asked, hedged.asked, plain.disturbed, hedged.disturbed
    );
    let passed = is_cut(&plain, &hedged);
    println!("{}; the plot is target/fan_out.svg", if passed { "the tail was cut" } else { "THE TAIL WAS NOT CUT" });
    if arguments.json {
        println!("{}", json!({ "plain": json(&plain), "hedged": json(&hedged) }));
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the hedge has done what it is for, and that at its price: at most two thirds as many take long. What a busy machine adds,
/// it adds to both.
fn is_cut(plain: &Log, hedged: &Log) -> bool {
    let share = |log: &Log| log.long() as f64 / log.asked.max(1) as f64;
    share(hedged) * 1.5 <= share(plain) && hedged.calls_per_request <= 1.05 && hedged.good() == hedged.asked
}

fn json(log: &Log) -> Value {
    let mut figures = json!({
        "calls_per_request": log.calls_per_request,
        "fan_outs": log.asked,
        "disturbed": log.disturbed,
        "answered": log.good(),
        "over_100_ms": log.long(),
    });
    for (name, share) in QUANTILES {
        figures[name] = json!(log.quantile(share).as_secs_f64() * 1e3);
    }
    figures
}
