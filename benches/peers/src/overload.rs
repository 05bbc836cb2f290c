//! Twice the capacity, in real time, as most peers read the system's clock: what is done in time, and of what matters most.
//!
//! 16 workers that take 20 ms, lognormal, and callers who wait for 100 ms, a fifth of whom matter most. Limiters have their
//! defaults and stand behind tower's load shedding; ours is told nothing but each call's deadline and criticality.

use std::{fmt::Display, ops::Range};

use cofferdam::{AdaptiveLimit, BoxError, LoadShed, Policy};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_resilience::adaptive::{self, AdaptiveLimiterLayer};

use crate::live::{Ask, Callers, Distribution, Server};

const WORKERS: usize = 16;
/// Of a call, in seconds.
const MEAN: f64 = 0.02;
/// Calls a second that can be done.
const CAPACITY: f64 = WORKERS as f64 / MEAN;

/// For how long, in seconds, and what of it counts.
struct Times {
    seconds: f64,
    counts: Range<f64>,
}

pub(crate) fn print(quick: bool) {
    let times =
        if quick { Times { seconds: 3.0, counts: 1.0..2.8 } } else { Times { seconds: 15.0, counts: 5.0..14.8 } };
    println!("\ntwice the capacity, in real time");
    println!("{:32} {:>10} {:>14}", "", "goodput/C", "matters most");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    runtime.expect("there are threads").block_on(all(&times));
}

async fn all(times: &Times) {
    row("nothing", server(), times).await;
    let limited = ServiceBuilder::new().load_shed().concurrency_limit(32).service(server());
    row("tower limit 32 + load shed", limited, times).await;

    row("tower-acc AIMD", shed(acc(tower_acc::Aimd::default())), times).await;
    row("tower-acc Gradient2", shed(acc(tower_acc::Gradient2::default())), times).await;
    row("tower-acc Vegas", shed(acc(tower_acc::Vegas::default())), times).await;

    let aimd = adaptive::Aimd::builder().build().expect("the defaults are valid");
    row("tower-resilience AIMD", shed(resilience(aimd)), times).await;
    let vegas = adaptive::Vegas::builder().build().expect("the defaults are valid");
    row("tower-resilience Vegas", shed(resilience(vegas)), times).await;

    row("cofferdam LoadShed", ours(), times).await;
}

async fn row<S>(name: &str, service: S, times: &Times)
where
    S: Service<Ask, Response = (), Future: Send> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
{
    let callers = Callers {
        load: vec![(0.0, 2.0 * CAPACITY)],
        seconds: times.seconds,
        mean: MEAN,
        distribution: Distribution::Lognormal { sigma: 0.6 },
        patience: 5.0 * MEAN,
        flighty: false,
        seed: 1,
    };
    let log = callers.call(service).await;
    let goodput = log.goodput(times.counts.clone()) / CAPACITY;
    println!("{name:32} {goodput:>10.2} {:>12.1} %", 100.0 * log.success(Some(0), times.counts.clone()));
}

fn server() -> Server {
    Server::new(WORKERS)
}

fn acc<A: tower_acc::Algorithm>(algorithm: A) -> tower_acc::ConcurrencyLimit<Server, A> {
    tower_acc::ConcurrencyLimit::new(server(), algorithm)
}

fn resilience<A>(algorithm: A) -> adaptive::AdaptiveService<Server, A>
where
    A: adaptive::ConcurrencyAlgorithm + 'static,
{
    AdaptiveLimiterLayer::new(algorithm).layer(server())
}

/// Its limit is waited for by nobody: who would have to is rejected.
fn shed<S>(
    service: S,
) -> impl Service<Ask, Response = (), Error = BoxError, Future: Send> + Clone + Send + Sync + 'static
where
    S: Service<Ask, Response = (), Error: Display, Future: Send> + Clone + Send + Sync + 'static,
{
    // Not all of their errors are errors to tower.
    ServiceBuilder::new().load_shed().service(service.map_err(|error| error.to_string()))
}

fn ours() -> impl Service<Ask, Response = (), Error = BoxError, Future: Send> + Clone + Send + Sync + 'static {
    let limit = AdaptiveLimit::builder("peers").deadline().build().expect("the defaults are valid");
    let shed: LoadShed = LoadShed::builder(limit).build().expect("the defaults are valid");
    shed.layer().layer(server())
}
