//! A server that goes without losing a request.
//!
//! At `SIGTERM` readiness says no; for the grace period requests are still served, while load balancers see it; then new ones
//! are sent elsewhere, and those in flight come to their end, bodies included; at last the listener closes.
//!
//! ```sh
//! cargo run --example drain            # serves on 127.0.0.1:3000 until `kill -TERM` or Ctrl-C
//! cargo run --example drain -- --quick # plays the load balancer, the clients and the `kill`, and checks that nothing is lost
//! ```

use std::{
    future::IntoFuture,
    net::SocketAddr,
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use cofferdam::{BoxError, Drain, Event, Instant, Policy, What, drain::Drained, observe};
use futures_util::stream;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy, rt::TokioExecutor};
use tokio::{
    net::TcpListener,
    time::{interval, sleep},
};

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let start = Instant::now();
    let _heard = observe(move |event: &Event| {
        if let What::StateChanged { from, to, .. } = event.what {
            println!("{:5.2} s: {from}, then {to}", event.at.since(start).as_secs_f64());
        }
    });
    let (grace, deadline) = if quick { (1, 5) } else { (5, 30) };
    let drain =
        Drain::builder("example").grace(Duration::from_secs(grace)).deadline(Duration::from_secs(deadline)).build()?;
    let listener = TcpListener::bind(if quick { "127.0.0.1:0" } else { "127.0.0.1:3000" }).await?;
    let address = listener.local_addr()?;
    println!("serves on {address}, as process {}", std::process::id());

    let clients = quick.then(|| tokio::spawn(Clients::new(address).run()));
    let report = serve(listener, drain).await?;
    println!("{report}");
    let Some(clients) = clients else { return Ok(ExitCode::SUCCESS) };
    let nothing_lost = clients.await?.is_all_well() && report.ended > 0 && report.cut == 0;
    println!("{}", if nothing_lost { "Nothing was lost." } else { "Something was lost." });
    Ok(if nothing_lost { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Serves until the process is told to go, and then until all that was begun is done.
async fn serve(listener: TcpListener, drain: Drain) -> Result<Drained, BoxError> {
    let app = Router::new()
        .route("/", get(work))
        .route("/stream", get(tick))
        // The outermost layer: what is further in is part of the call.
        .layer(drain.clone().layer().http())
        .route_service("/readyz", drain.readiness());
    let draining = drain.clone();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        terminated().await;
        draining.begin().await;
    });
    // When the drain is over the server closes idle connections, and waits for what is still being written. A client that
    // reads nothing any more could keep it waiting for ever.
    let last_bytes = async {
        let report = drain.finished().await;
        sleep(Duration::from_secs(2)).await;
        report
    };
    tokio::select! {
        served = server.into_future() => served?,
        _ = last_bytes => println!("somebody does not read: their connections are closed with the process"),
    }
    Ok(drain.finished().await)
}

/// Waits until the process is told to go.
async fn terminated() {
    #[cfg(unix)]
    let told = async {
        let signal = tokio::signal::unix::SignalKind::terminate();
        tokio::signal::unix::signal(signal).expect("the system has signals").recv().await;
    };
    #[cfg(not(unix))]
    let told = std::future::pending::<()>();
    tokio::select! {
        () = told => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

const TICKS: u32 = 20;

async fn work() -> &'static str {
    sleep(Duration::from_millis(200)).await;
    "done"
}

/// An answer that takes two seconds.
async fn tick() -> Body {
    Body::from_stream(stream::unfold(0, |n| async move {
        sleep(Duration::from_millis(100)).await;
        (n < TICKS).then(|| (Ok::<_, std::convert::Infallible>(Bytes::from_static(b"tick ")), n + 1))
    }))
}

/// Those who send requests, a hundred a second: half of them through a load balancer, which asks for readiness ten times a
/// second, and half of them straight to the server, as long as it takes them.
#[derive(Clone)]
struct Clients {
    http: legacy::Client<legacy::connect::HttpConnector, Empty<Bytes>>,
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    served: AtomicU32,
    sent_elsewhere: AtomicU32,
    lost: AtomicU32,
    is_over: AtomicBool,
}

impl Clients {
    fn new(address: SocketAddr) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { http, address, seen: Arc::default() }
    }

    async fn run(self) -> Self {
        tokio::spawn(async {
            sleep(Duration::from_secs(1)).await;
            let told = Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status();
            assert!(told.is_ok_and(|told| told.success()), "the process can tell itself to go");
        });
        // A stream that begins before the server goes, and is not over when nothing new is let in.
        let streams = tokio::spawn(self.clone().send_late("/stream", TICKS as usize * "tick ".len()));
        tokio::join!(self.clone().balanced(), self.clone().straight());
        if streams.await.is_err() {
            self.seen.lost.fetch_add(1, Ordering::Relaxed);
        }
        // What was sent last is over by now, or the server would not be gone.
        let seen = |count: &AtomicU32| count.load(Ordering::Relaxed);
        println!(
            "{} requests were served whole, {} were sent elsewhere, {} were lost",
            seen(&self.seen.served),
            seen(&self.seen.sent_elsewhere),
            seen(&self.seen.lost),
        );
        self
    }

    fn is_all_well(&self) -> bool {
        let seen = |count: &AtomicU32| count.load(Ordering::Relaxed);
        seen(&self.seen.served) > 100 && seen(&self.seen.sent_elsewhere) > 0 && seen(&self.seen.lost) == 0
    }

    /// Sends for as long as the server says that it is ready: all of that must be served.
    async fn balanced(self) {
        let (mut turns, mut sent) = (interval(Duration::from_millis(20)), Vec::new());
        for turn in 0.. {
            turns.tick().await;
            if turn % 5 == 0 && self.get("/readyz").await.map(|(status, ..)| status).ok() != Some(StatusCode::OK) {
                break;
            }
            sent.push(tokio::spawn(self.clone().send("/", "done".len(), false)));
        }
        println!("         the load balancer sends no more");
        for call in sent {
            let _ = call.await;
        }
    }

    /// Sends until it has been sent elsewhere for a while.
    async fn straight(self) {
        let (mut turns, mut sent) = (interval(Duration::from_millis(20)), Vec::new());
        while !self.seen.is_over.load(Ordering::Relaxed) {
            turns.tick().await;
            sent.push(tokio::spawn(self.clone().send("/", "done".len(), true)));
        }
        for call in sent {
            let _ = call.await;
        }
    }

    async fn send_late(self, path: &'static str, bytes: usize) {
        sleep(Duration::from_millis(800)).await;
        self.send(path, bytes, false).await;
    }

    /// Sends one request, and counts what becomes of it: a whole answer, or where it may be, one that sends it elsewhere.
    async fn send(self, path: &'static str, bytes: usize, may_be_sent_elsewhere: bool) {
        let count = match self.get(path).await {
            Ok((StatusCode::OK, _, body)) if body.len() == bytes => &self.seen.served,
            Ok((StatusCode::SERVICE_UNAVAILABLE, true, _)) if may_be_sent_elsewhere => {
                if self.seen.sent_elsewhere.load(Ordering::Relaxed) >= 10 {
                    self.seen.is_over.store(true, Ordering::Relaxed);
                }
                &self.seen.sent_elsewhere
            }
            other => {
                println!("         lost: {path}, {other:?}");
                &self.seen.lost
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The status, whether the answer sends the client elsewhere, and the body.
    async fn get(&self, path: &str) -> Result<(StatusCode, bool, Bytes), BoxError> {
        let request = Request::get(format!("http://{}{path}", self.address)).body(Empty::new())?;
        let response = self.http.request(request).await?;
        let elsewhere = response.headers().get("connection").is_some_and(|value| value == "close");
        Ok((response.status(), elsewhere, response.into_body().collect().await?.to_bytes()))
    }
}
