//! Twice the capacity, in real time, as most peers read the system's clock: what is done in time, and of what matters most.
//!
//! 16 workers that take 20 ms, lognormal, and callers who wait for 100 ms, a fifth of whom matter most. Limiters have their
//! defaults and stand behind tower's load shedding; ours is told nothing but each call's deadline and criticality.
//!
//! It makes a difference where calls end that take too long, so there is a table for each way, alike for all: within the
//! limiter, which then sees an error, or around it, where it sees a call that is dropped.

use std::{
    fmt::Display,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

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

/// Where calls end that take too long.
#[derive(Clone, Copy, PartialEq)]
enum Timeout {
    /// Between limiter and server, a moment before the caller leaves.
    Within,
    /// The caller leaves, and nothing else does.
    Around,
}

/// So much earlier, as timers tell no finer time than a millisecond.
const MOMENT: Duration = Duration::from_millis(2);

/// The server, as limiters see it.
#[derive(Clone)]
struct Remote(Server, Timeout);

impl Service<Ask> for Remote {
    type Response = ();
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        let left = ask.deadline.remaining().saturating_sub(MOMENT);
        let answer = self.0.call(ask);
        match self.1 {
            Timeout::Within => Box::pin(async move { tokio::time::timeout(left, answer).await? }),
            Timeout::Around => answer,
        }
    }
}

pub(crate) fn print(quick: bool) {
    let times =
        if quick { Times { seconds: 3.0, counts: 1.0..2.8 } } else { Times { seconds: 15.0, counts: 5.0..14.8 } };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build();
    let runtime = runtime.expect("there are threads");
    for (timeout, place) in [(Timeout::Within, "within"), (Timeout::Around, "around")] {
        println!("\ntwice the capacity, in real time, with the timeout {place} the limiter");
        println!("{:32} {:>10} {:>14}", "", "goodput/C", "matters most");
        runtime.block_on(all(&times, timeout));
    }
}

async fn all(times: &Times, timeout: Timeout) {
    let remote = || Remote(Server::new(WORKERS), timeout);
    row("nothing", remote(), times).await;
    let limited = ServiceBuilder::new().load_shed().concurrency_limit(32).service(remote());
    row("tower limit 32 + load shed", limited, times).await;

    row("tower-acc AIMD", shed(acc(tower_acc::Aimd::default(), remote())), times).await;
    row("tower-acc Gradient2", shed(acc(tower_acc::Gradient2::default(), remote())), times).await;
    row("tower-acc Vegas", shed(acc(tower_acc::Vegas::default(), remote())), times).await;

    let aimd = adaptive::Aimd::builder().build().expect("the defaults are valid");
    row("tower-resilience AIMD", shed(resilience(aimd, remote())), times).await;
    let vegas = adaptive::Vegas::builder().build().expect("the defaults are valid");
    row("tower-resilience Vegas", shed(resilience(vegas, remote())), times).await;

    row("cofferdam LoadShed", ours(remote()), times).await;
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

fn acc<A: tower_acc::Algorithm>(algorithm: A, remote: Remote) -> tower_acc::ConcurrencyLimit<Remote, A> {
    tower_acc::ConcurrencyLimit::new(remote, algorithm)
}

fn resilience<A>(algorithm: A, remote: Remote) -> adaptive::AdaptiveService<Remote, A>
where
    A: adaptive::ConcurrencyAlgorithm + 'static,
{
    AdaptiveLimiterLayer::new(algorithm).layer(remote)
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

fn ours(
    remote: Remote,
) -> impl Service<Ask, Response = (), Error = BoxError, Future: Send> + Clone + Send + Sync + 'static {
    let limit = AdaptiveLimit::builder("peers").deadline().build().expect("the defaults are valid");
    let shed: LoadShed = LoadShed::builder(limit).build().expect("the defaults are valid");
    shed.layer().layer(remote)
}
