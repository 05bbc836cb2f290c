//! Axum servers on real sockets, HTTP/1 and HTTP/2: what connections hold, and for how long.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, response::IntoResponse, routing::get};
use bytes::Bytes;
use cofferdam::{Bulkhead, CircuitBreaker, Failed, Fallback, Http, Outcome, Policy, Timeout, guard, rejection};
use http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{Mutex, mpsc};
use tower::ServiceBuilder;

use crate::support::{Connection, Noticing, Version, fed, serve, within};

fn slots(limit: usize) -> Bulkhead {
    Bulkhead::builder("server").limit(limit).build().unwrap()
}

/// Answers whose bodies the test feeds: each call sends its feed here.
type Feeds = mpsc::UnboundedReceiver<mpsc::UnboundedSender<Bytes>>;

/// A handler with such answers.
fn streaming() -> (Feeds, axum::routing::MethodRouter) {
    let (feeds, receiver) = mpsc::unbounded_channel();
    let handler = get(move || {
        let (feed, body) = fed();
        feeds.send(feed).unwrap();
        async move { Response::new(Body::new(body)) }
    });
    (receiver, handler)
}

async fn next(feeds: &mut Feeds) -> mpsc::UnboundedSender<Bytes> {
    within("a call", feeds.recv()).await.unwrap()
}

#[tokio::test]
async fn defect_02_idle_connections_hold_nothing() {
    for version in [Version::One, Version::Two] {
        // Given a limit of two, and two connections that have had an answer each and stay open
        let slots = slots(2);
        let app = Router::new().route("/", get(|| async { "hello" })).layer(slots.clone().layer().http());
        let address = serve(app).await;
        let (mut a, mut b) = (Connection::open(address, version).await, Connection::open(address, version).await);
        assert_eq!(a.read("/").await, (200, "hello".into()));
        assert_eq!(b.read("/").await, (200, "hello".into()));

        // Then a third is served, and so are they once more
        let mut c = Connection::open(address, version).await;
        for connection in [&mut c, &mut a, &mut b] {
            assert_eq!(connection.read("/").await, (200, "hello".into()), "{version:?}");
        }
        assert_eq!(slots.in_flight(), 0);
    }
}

#[tokio::test]
async fn defect_76_one_layer_is_one_limit_over_all_its_routes() {
    // Given one layer over two routes, with one slot, which a stream on the first holds
    let (mut feeds, streaming) = streaming();
    let shared = slots(1);
    let app = Router::new().route("/stream", streaming).route("/other", get(|| async { "hello" }));
    let address = serve(app.layer(shared.clone().layer().http())).await;
    let mut first = Connection::open(address, Version::One).await;
    let stream = first.get("/stream").await;
    let feed = next(&mut feeds).await;

    // Then the other is full
    let mut second = Connection::open(address, Version::One).await;
    let (status, body) = second.read("/other").await;
    assert_eq!(status, 503);
    assert!(String::from_utf8_lossy(&body).contains("no slot is free"));

    // And until the stream has ended
    feed.send("end".into()).unwrap();
    drop(feed);
    assert_eq!(within("the stream", stream.into_body().collect()).await.unwrap().to_bytes(), "end");
    assert_eq!(second.read("/other").await.0, 200);

    // Whereas a layer of each route's own is a limit of its own
    let (mut feeds, streaming) = self::streaming();
    let app = Router::new()
        .route("/stream", streaming.layer(slots(1).layer().http()))
        .route("/other", get(|| async { "hello" }).layer(slots(1).layer().http()));
    let address = serve(app).await;
    let mut first = Connection::open(address, Version::One).await;
    let _stream = first.get("/stream").await;
    let _feed = next(&mut feeds).await;
    assert_eq!(Connection::open(address, Version::One).await.read("/other").await.0, 200);
}

#[tokio::test]
async fn defect_24_72_stalled_readers_hold_their_slots_and_those_who_leave_give_them_back() {
    for version in [Version::One, Version::Two] {
        // Given three slots, and three readers who have had the head and some of the body
        let (mut feeds, streaming) = streaming();
        let (slots, ends) = (slots(3), Noticing::new());
        let layer = guard(slots.clone().and(ends.clone())).http();
        let address = serve(Router::new().route("/", streaming).layer(layer)).await;
        let mut readers = Vec::new();
        for _ in 0..3 {
            let mut connection = Connection::open(address, version).await;
            let mut body = connection.get("/").await.into_body();
            let feed = next(&mut feeds).await;
            feed.send("first".into()).unwrap();
            let frame = within("a frame", body.frame()).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "first");
            readers.push((connection, body, feed));
        }

        // Then a fourth is rejected
        let mut fourth = Connection::open(address, version).await;
        let response = fourth.get("/").await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{version:?}");
        assert!(response.headers().get(header::RETRY_AFTER).is_none());
        assert!(ends.so_far().is_empty());
        drop(response);

        // When one of the three closes its connection
        let (connection, body, feed) = readers.pop().unwrap();
        drop((connection, body));

        // Then its call was abandoned, the service hears of it, and its slot is free
        assert_eq!(ends.ended(1).await, [Outcome::Abandoned], "{version:?}");
        within("the service to hear of it", feed.closed()).await;
        assert_eq!(slots.in_flight(), 2);
        let body = fourth.get("/").await.into_body();
        let feed = next(&mut feeds).await;

        // And one that reads to the end gives its slot back by that
        drop(feed);
        assert!(within("the end", body.collect()).await.unwrap().to_bytes().is_empty());
        assert_eq!(ends.ended(2).await, [Outcome::Abandoned, Outcome::Success], "{version:?}");
        assert_eq!(slots.in_flight(), 2);
    }
}

#[tokio::test]
async fn defect_72_a_call_that_ends_with_its_head_holds_nothing_while_it_streams() {
    // Given one slot, held to the head only
    let (mut feeds, streaming) = streaming();
    let slots = slots(1);
    let layer = slots.clone().layer().protocol(Http::new().until_head());
    let address = serve(Router::new().route("/", streaming).layer(layer)).await;

    // Then any number may stream
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut connection = Connection::open(address, Version::One).await;
        let response = connection.get("/").await;
        assert_eq!(response.status(), StatusCode::OK);
        streams.push((connection, response, next(&mut feeds).await));
    }
    assert_eq!(slots.in_flight(), 0);
}

#[tokio::test]
async fn defect_24_a_caller_who_leaves_before_the_head_gives_its_slot_back() {
    // Given a handler that never answers, and says when it was called
    let (called, mut calls) = mpsc::unbounded_channel();
    let (slots, ends) = (slots(1), Noticing::new());
    let handler = get(move || {
        called.send(()).unwrap();
        std::future::pending::<&'static str>()
    });
    let app = Router::new().route("/", handler).layer(guard(slots.clone().and(ends.clone())).http());
    let address = serve(app).await;
    for (calls_before, version) in [Version::One, Version::Two].into_iter().enumerate() {
        let hangs = tokio::spawn(async move { Connection::open(address, version).await.get("/").await });
        within("a call", calls.recv()).await.unwrap();
        assert_eq!(slots.in_flight(), 1);

        // When the caller's connection closes
        hangs.abort();

        // Then the slot is free
        assert_eq!(ends.ended(calls_before + 1).await.last(), Some(&Outcome::Abandoned), "{version:?}");
        assert_eq!(slots.in_flight(), 0);
    }
}

#[tokio::test]
async fn defect_217_an_answer_of_known_length_is_a_success_when_all_of_it_was_sent() {
    for version in [Version::One, Version::Two] {
        // Given a body that says how long it is, and not that it has ended: hyper takes the bytes and lets go of it
        let ends = Noticing::new();
        let handler = get(|| async {
            let (feed, body) = fed();
            feed.send("12345".into()).unwrap();
            ([(header::CONTENT_LENGTH, "5")], Body::new(body)).into_response()
        });
        let address = serve(Router::new().route("/", handler).layer(ends.clone().layer().http())).await;

        // Then its call was a success
        assert_eq!(Connection::open(address, version).await.read("/").await, (200, "12345".into()));
        assert_eq!(ends.ended(1).await, [Outcome::Success], "{version:?}");
    }

    // Whereas one of which less was sent was not
    let ends = Noticing::new();
    let (feeds, mut receiver) = mpsc::unbounded_channel();
    let handler = get(move || {
        let (feed, body) = fed();
        feed.send("123".into()).unwrap();
        feeds.send(feed).unwrap();
        async move { ([(header::CONTENT_LENGTH, "5")], Body::new(body)).into_response() }
    });
    let address = serve(Router::new().route("/", handler).layer(ends.clone().layer().http())).await;
    let mut connection = Connection::open(address, Version::One).await;
    let mut body = connection.get("/").await.into_body();
    let _feed = within("a call", receiver.recv()).await.unwrap();
    assert_eq!(within("a frame", body.frame()).await.unwrap().unwrap().into_data().unwrap(), "123");
    drop((connection, body));
    assert_eq!(ends.ended(1).await, [Outcome::Abandoned]);
}

#[tokio::test]
async fn an_open_breaker_answers_503_and_says_when_to_try_again() {
    // Given a breaker that two failures open, for a minute
    let breaker = CircuitBreaker::builder("shop")
        .consecutive_failures(2)
        .open_time(Duration::from_secs(60))
        .open_time_max(Duration::from_secs(60))
        .open_time_jitter(0.0)
        .build()
        .unwrap();
    let app = Router::new()
        .route("/fails", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/works", get(|| async { "hello" }))
        .layer(breaker.clone().layer().http());
    let address = serve(app).await;
    let mut connection = Connection::open(address, Version::One).await;
    for _ in 0..2 {
        assert_eq!(connection.read("/fails").await.0, 500);
    }

    // Then every route is closed, over the same connection, and says so
    let response = connection.get("/works").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let after: u64 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&after), "{after}");
    let body = within("a body", response.into_body().collect()).await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["detail"], "the circuit is open");

    // One that is forced open does not know when
    breaker.force_open();
    let response = connection.get("/works").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().get(header::RETRY_AFTER).is_none());
    drop(response);

    // And when it is reset the next request is served
    breaker.reset();
    assert_eq!(Connection::open(address, Version::One).await.read("/works").await, (200, "hello".into()));
}

#[tokio::test]
async fn the_whole_stack_goes_around_a_router() {
    // Given everything there is, around a route that fails, one that works, and one that hangs
    let breaker = CircuitBreaker::builder("shop").build().unwrap();
    let slots = slots(8);
    let degraded = Arc::new(Mutex::new(Vec::new()));
    let timeout =
        Timeout::builder("shop").attempt(Duration::from_millis(50)).http().between_frames(Duration::from_secs(5));
    let seen = Arc::clone(&degraded);
    let stack = ServiceBuilder::new()
        .layer(
            Fallback::function(move |failed: Failed<Response<_>, _>| {
                seen.try_lock().unwrap().push(failed.cause());
                Ok(Response::new("sorry".into()))
            })
            .http()
            .header(header::HeaderName::from_static("x-degraded"), header::HeaderValue::from_static("1")),
        )
        .layer(guard(breaker.clone().and(slots.clone())).http())
        .layer(timeout.build().unwrap());
    let app = Router::new()
        .route("/works", get(|| async { "hello" }))
        .route("/fails", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/hangs", get(std::future::pending::<&'static str>))
        .layer(stack);
    let address = serve(app).await;
    let mut connection = Connection::open(address, Version::One).await;

    // Then each caller has an answer, and the breaker knows what it is worth
    assert_eq!(connection.read("/works").await, (200, "hello".into()));
    for (path, failures) in [("/fails", 1), ("/hangs", 2)] {
        let response = connection.get(path).await;
        assert_eq!(
            (response.status(), &response.headers()["x-degraded"]),
            (StatusCode::OK, &header::HeaderValue::from_static("1"))
        );
        assert_eq!(within("a body", response.into_body().collect()).await.unwrap().to_bytes(), "sorry");
        assert_eq!(breaker.counts().failures, failures, "{path}");
    }
    assert_eq!(*degraded.lock().await, [cofferdam::Cause::Failure, cofferdam::Cause::TimedOut]);
    assert_eq!(slots.in_flight(), 0);
}

#[tokio::test]
async fn defect_219_an_upgrade_ends_the_call_with_its_head() {
    // Given a handler that switches protocols
    let ends = Noticing::new();
    let handler = get(|| async { Response::builder().status(101).body(Body::empty()).unwrap() });
    let app = Router::new().route("/", handler).layer(ends.clone().layer().http());

    // Then the call is over when the head is there: what follows on the connection is not an answer any more
    let response = tower::ServiceExt::oneshot(app, http::Request::new(Body::empty())).await.unwrap();
    assert_eq!((response.status().as_u16(), ends.so_far()), (101, vec![Outcome::Success]));
    assert!(rejection(&response).is_none());
}

#[tokio::test]
async fn a_burst_over_the_limit_waits_and_is_served() {
    for version in [Version::One, Version::Two] {
        // Given two slots, a line, and a handler that goes on when the gate is open
        let slots = Bulkhead::builder("server").limit(2).queue(18).max_wait(Duration::from_secs(60)).build().unwrap();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let (opened, inside, most) = (Arc::clone(&gate), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let peak = Arc::clone(&most);
        let handler = get(move || async move {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            opened.acquire().await.unwrap().forget();
            inside.fetch_sub(1, Ordering::SeqCst);
            "hello"
        });
        let app = Router::new().route("/", handler).layer(slots.clone().layer().http());
        let address = serve(app).await;

        // When twenty come at once
        let read = || tokio::spawn(async move { Connection::open(address, version).await.read("/").await });
        let burst: Vec<_> = (0..20).map(|_| read()).collect();
        let all_wait = async {
            while slots.waiting() < 18 {
                tokio::task::yield_now().await;
            }
        };
        within("a line", all_wait).await;

        // Then one more is turned away, and all of them are served, two at a time
        assert_eq!(Connection::open(address, version).await.get("/").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        gate.add_permits(20);
        for call in burst {
            assert_eq!(call.await.unwrap(), (200, "hello".into()), "{version:?}");
        }
        assert_eq!(peak.load(Ordering::SeqCst), 2);
        assert_eq!((slots.in_flight(), slots.waiting()), (0, 0));
    }
}
