//! A server with nothing but the stack in a line goes, over real sockets: nothing is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, routing::get};
use bytes::Bytes;
use cofferdam::{AdaptiveLimit, DrainState, LoadShed, Replay};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt};

use crate::support::{Connection, Version, serve, within};

struct Server {
    stack: cofferdam::presets::Server,
    address: std::net::SocketAddr,
    /// Calls in the handler, and what lets them end.
    begun: Arc<AtomicU32>,
    done: Arc<Semaphore>,
}

async fn start(stack: cofferdam::presets::Server) -> Server {
    let (begun, done) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
    let (counts, ends) = (Arc::clone(&begun), Arc::clone(&done));
    let work = get(move || {
        let (counts, ends) = (Arc::clone(&counts), Arc::clone(&ends));
        async move {
            counts.fetch_add(1, Ordering::SeqCst);
            ends.acquire().await.unwrap().forget();
            "done"
        }
    });
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/work", work)
        .layer(stack.clone())
        .route_service("/readyz", stack.readiness());
    Server { address: serve(app).await, stack, begun, done }
}

#[tokio::test]
async fn what_is_in_flight_comes_to_its_end_and_what_is_new_is_sent_elsewhere() {
    for version in [Version::One, Version::Two] {
        let server = start(cofferdam::http::server("checkout").set("drain.grace", "0s").build().unwrap()).await;
        let mut idle = Connection::open(server.address, version).await;
        assert_eq!(idle.read("/readyz").await.0, 200);
        let mut calls = Vec::new();
        for _ in 0..12 {
            let mut connection = Connection::open(server.address, version).await;
            calls.push(tokio::spawn(async move { connection.read("/work").await }));
        }
        within("all of them", async {
            while server.begun.load(Ordering::SeqCst) < 12 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;

        let drain = server.stack.drain().unwrap().clone();
        let report = tokio::spawn(drain.begin());
        assert_eq!(idle.read("/readyz").await, (503, "draining\n".into()));
        let rejected = idle.get("/").await;
        assert_eq!(
            (rejected.status(), &rejected.headers()["retry-after"]),
            (StatusCode::SERVICE_UNAVAILABLE, &"0".parse().unwrap())
        );
        drop(rejected);
        assert_eq!((drain.state(), drain.in_flight()), (DrainState::Draining, 12), "{version:?}");

        server.done.add_permits(12);
        for call in calls {
            assert_eq!(within("an answer", call).await.unwrap(), (200, "done".into()), "{version:?}");
        }
        let report = within("the end of the drain", report).await.unwrap();
        assert_eq!((report.ended, report.cut), (12, 0), "{version:?}");
    }
}

#[tokio::test]
async fn who_waits_in_line_comes_to_its_end_as_well() {
    // Given a server that works on three at a time, and has been sent five
    let limit =
        AdaptiveLimit::builder("checkout").initial_limit(3).min_limit(3).max_limit(3).deadline().build().unwrap();
    let stack = cofferdam::http::server("checkout")
        .shedding(LoadShed::builder(limit).build().unwrap())
        .set("drain.grace", "0s")
        .build()
        .unwrap();
    let server = start(stack).await;
    let drain = server.stack.drain().unwrap().clone();
    let mut calls = Vec::new();
    for _ in 0..5 {
        let mut connection = Connection::open(server.address, Version::One).await;
        calls.push(tokio::spawn(async move { connection.read("/work").await }));
    }
    within("all of them", async {
        while drain.in_flight() < 5 || server.begun.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(server.stack.shedding().unwrap().waiting(), 2);

    // When it goes, and gets its work done
    let report = tokio::spawn(drain.begin());
    server.done.add_permits(5);

    // Then none of them is lost
    for call in calls {
        assert_eq!(within("an answer", call).await.unwrap(), (200, "done".into()));
    }
    let report = within("the end of the drain", report).await.unwrap();
    assert_eq!((report.ended, report.cut), (5, 0));
}

/// Two servers behind something that looks at readiness, as load balancers do, and clients that go on all the time.
#[tokio::test]
async fn clients_that_are_led_by_readiness_lose_nothing_while_a_server_goes() {
    let first = start(cofferdam::http::server("first").set("drain.grace", "100ms").build().unwrap()).await;
    let second = start(cofferdam::http::server("second").build().unwrap()).await;
    let (ready, over) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let client = Client::builder(TokioExecutor::new()).build_http::<Replay<Empty<Bytes>>>();
    let stack = cofferdam::http::client("checkout").without_retry().without_hedge().build().unwrap();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let service = stack.layer(client.clone());
            let (ready, over) = (Arc::clone(&ready), Arc::clone(&over));
            let (first, second) = (first.address, second.address);
            tokio::spawn(async move {
                let (mut here, mut elsewhere) = (0, 0);
                while !over.load(Ordering::SeqCst) {
                    let to_first = ready.load(Ordering::SeqCst);
                    let to = if to_first { first } else { second };
                    let request = Request::get(format!("http://{to}/")).body(Empty::<Bytes>::new()).unwrap();
                    let response = service.clone().oneshot(request).await.unwrap();
                    assert_eq!(response.status(), StatusCode::OK);
                    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
                    *(if to_first { &mut here } else { &mut elsewhere }) += 1;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                (here, elsewhere)
            })
        })
        .collect();

    tokio::time::sleep(Duration::from_millis(50)).await;
    let end = tokio::spawn(first.stack.drain().unwrap().begin());
    let mut probe = Connection::open(first.address, Version::One).await;
    assert_eq!(probe.read("/readyz").await, (503, "leaving\n".into()));
    ready.store(false, Ordering::SeqCst);
    let report = within("the end of the drain", end).await.unwrap();
    assert_eq!(report.cut, 0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    over.store(true, Ordering::SeqCst);
    for caller in callers {
        let (here, elsewhere) = within("a caller", caller).await.unwrap();
        assert!(here > 0 && elsewhere > 0, "{here} and {elsewhere}");
    }
}
