//! Three times as many requests as can be served, over HTTP: to a server as most are, and to the same one behind load
//! shedding, to which nothing was said but what each request carries.
//!
//! Both have 16 workers that take 80 ms for each request, and whoever asks waits for 400 ms. A fifth of the requests matter
//! most, three tenths less, and half may be shed. From the fifth second to the fifteenth there are three times as many as
//! before. It ends with a plot under `target/overload.svg`.
//!
//! ```sh
//! cargo run --release --example overload            # twenty seconds
//! cargo run --release --example overload -- --quick # eight
//! ```

#[path = "../arguments/mod.rs"]
mod arguments;
#[path = "../dice/mod.rs"]
mod dice;
mod load;
mod plot;
mod server;
#[path = "../serving/mod.rs"]
mod serving;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use arguments::Arguments;
use cofferdam::BoxError;
use load::{Log, Phases};
use serde_json::{Value, json};

/// Requests a second that the workers of a server can do.
const CAPACITY: f64 = server::WORKERS as f64 / 0.08;

const USAGE: &str = "\
usage: overload [--quick] [--json]

  --quick  a shorter overload: the run ends within ten seconds
  --json   the figures as one JSON object, on the last line of standard output
  --help   this text

It exits with 0 if the overload was contained, with 1 if not, and writes target/overload.svg.";

#[tokio::main(worker_threads = 4)]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments = match Arguments::read(USAGE) {
        Ok(arguments) => arguments,
        Err(code) => return Ok(code),
    };
    let scale = if arguments.quick { 0.4 } else { 1.0 };
    let phases = Phases {
        overload: Duration::from_secs_f64(5.0 * scale),
        calm: Duration::from_secs_f64(15.0 * scale),
        end: Duration::from_secs_f64(20.0 * scale),
    };
    println!(
        "{CAPACITY:.0} requests a second can be done; three quarters of that come, then 3 times as many, for {:?}",
        phases.end
    );
    let (unprotected, protected) = (server::unprotected().await?, server::protected().await?);
    let (unprotected, protected) = tokio::join!(load::run(unprotected, &phases), load::run(protected, &phases));

    for (name, log) in [("unprotected", &unprotected), ("protected", &protected)] {
        println!("{name:12} of the overload: {}", summary(log, &phases));
    }
    let path = Path::new("target/overload.svg");
    fs::create_dir_all("target")?;
    fs::write(path, plot::plot([&unprotected, &protected], &phases))?;
    println!("The plot is {}.", path.display());

    let good = protected.goodput(&phases) >= 0.85 * CAPACITY && protected.success(Some(0), &phases) >= 0.95;
    println!("{}", if good { "The overload was contained." } else { "The overload was not contained." });
    if arguments.json {
        println!("{}", json!({ "unprotected": json(&unprotected, &phases), "protected": json(&protected, &phases) }));
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(log: &Log, phases: &Phases) -> String {
    let percent = |class| 100.0 * log.success(Some(class), phases);
    format!(
        "{:5.1} answers a second in time ({:3.0} %); {:5.1} % of what matters most, {:5.1} % and {:5.1} % of the rest",
        log.goodput(phases),
        100.0 * log.goodput(phases) / CAPACITY,
        percent(0),
        percent(1),
        percent(2)
    )
}

fn json(log: &Log, phases: &Phases) -> Value {
    let percent = |class| 100.0 * log.success(class, phases);
    json!({
        "goodput_pct": 100.0 * log.goodput(phases) / CAPACITY,
        "answered_pct": percent(None),
        "matters_most_pct": percent(Some(0)),
        "matters_less_pct": percent(Some(1)),
        "may_be_shed_pct": percent(Some(2)),
    })
}
