//! Server-sent events behind a server's stack, as it stands: listeners keep nobody else out, and are not cut.

use std::time::Duration;

use axum::{Extension, Router, body::Body, response::IntoResponse, routing::get};
use cofferdam::{Bulkhead, Http, Instant, Policy, Rejected, Why, http::Lasting, presets::Server};
use futures_util::StreamExt;
use http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A tick each 1.1 s, for ever: none in the moment of a deadline.
fn ticks() -> Body {
    let ticks = futures_util::stream::unfold((), |()| async {
        sleep(Duration::from_millis(1100)).await;
        Some((Ok::<_, std::convert::Infallible>("data: tick\n\n"), ()))
    });
    Body::from_stream(ticks)
}

fn app<L>(stack: L) -> Router
where
    L: Layer<axum::routing::Route> + Clone + Send + Sync + 'static,
    L::Service: tower::Service<Request<Body>, Response: IntoResponse, Error: Into<std::convert::Infallible>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Router::new()
        .route("/", get(|| async { "done" }))
        .route("/events", get(|| async { ([(CONTENT_TYPE, "text/event-stream")], ticks()) }))
        .route("/marked", get(|| async { (Extension(Lasting), ticks()) }))
        .route("/export", get(|| async { ticks() }))
        .route("/hangs", get(std::future::pending::<&str>))
        .layer(stack)
}

fn asks(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

/// Reads until time is up or until the answer breaks off; how many frames there were, and why it broke off.
async fn read(body: Body, time: Duration) -> (usize, Option<Why>) {
    let mut frames = 0;
    let reads = async {
        let mut data = body.into_data_stream();
        while let Some(frame) = data.next().await {
            match frame {
                Ok(_) => frames += 1,
                Err(error) => return Rejected::find(&error).map(Rejected::why),
            }
        }
        panic!("it came to an end");
    };
    let broken = tokio::time::timeout(time, reads).await.unwrap_or_default();
    (frames, broken)
}

#[tokio::test(start_paused = true)]
async fn a_hundred_listeners_keep_nobody_waiting_and_are_not_cut() {
    // Given a fresh server with nothing but the stack in a line, and a hundred listeners
    let stack = cofferdam::http::server("shop").set("drain.grace", "0s").build().unwrap();
    let app = app(stack.clone());
    let began = Instant::now();
    let mut listening = Vec::new();
    for _ in 0..100 {
        let response = app.clone().oneshot(asks("/events")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        listening.push(tokio::spawn(read(response.into_body(), seconds(3600))));
    }

    // When others ask, then they are served at once
    for _ in 0..50 {
        let response = app.clone().oneshot(asks("/")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "done");
    }
    assert_eq!(Instant::now().since(began), Duration::ZERO);
    let (drain, shedding) = (stack.drain().unwrap(), stack.shedding().unwrap());
    assert_eq!((shedding.limit().in_flight(), shedding.waiting()), (0, 0));

    // And what they listen to outlives the deadline of a request that names none
    sleep(Duration::from_millis(45_500)).await;
    assert!(listening.iter().all(|listener| !listener.is_finished()));

    // But the drain waits for them, and ends them when its time is up
    assert_eq!(drain.in_flight(), 100);
    let report = drain.begin().await;
    assert_eq!((report.ended, report.cut), (0, 100));
    for listener in listening {
        let (frames, why) = listener.await.unwrap();
        assert_eq!((frames, why), (68, Some(Why::Cut)));
    }
    assert_eq!((drain.in_flight(), shedding.limit().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_a_request_has_named_holds_to_the_end() {
    let app = app(cofferdam::http::server("shop").build().unwrap());
    let named = Request::get("/events").header("x-request-timeout-ms", "31500").body(Body::empty()).unwrap();
    let response = app.clone().oneshot(named).await.unwrap();
    assert_eq!(read(response.into_body(), seconds(100)).await, (28, Some(Why::DeadlineExceeded)));

    // One that is known from within the process is named as well
    let mut known = asks("/events");
    cofferdam::Context::set_deadline(&mut known, cofferdam::Deadline::after(Duration::from_millis(2500)));
    let response = app.oneshot(known).await.unwrap();
    assert_eq!(read(response.into_body(), seconds(100)).await, (2, Some(Why::DeadlineExceeded)));
}

#[tokio::test(start_paused = true)]
async fn the_head_has_to_come_in_time_and_so_has_all_that_does_not_last() {
    let stack = cofferdam::http::server("shop").build().unwrap();
    let app = app(stack.clone());
    let began = Instant::now();
    let response = app.clone().oneshot(asks("/hangs")).await.unwrap();
    assert_eq!((response.status(), Instant::now().since(began)), (StatusCode::GATEWAY_TIMEOUT, seconds(30)));
    drop(response);

    let response = app.clone().oneshot(asks("/export")).await.unwrap();
    assert_eq!(stack.shedding().unwrap().limit().in_flight(), 1);
    assert_eq!(read(response.into_body(), seconds(100)).await, (27, Some(Why::DeadlineExceeded)));

    // Unless whoever answers says that it lasts
    let response = app.oneshot(asks("/marked")).await.unwrap();
    assert_eq!(stack.shedding().unwrap().limit().in_flight(), 0);
    assert_eq!(read(response.into_body(), Duration::from_millis(99_500)).await, (90, None));
}

#[tokio::test(start_paused = true)]
async fn which_answers_last_is_said_in_the_protocol_of_the_stack() {
    let untyped = |_: StatusCode, headers: &HeaderMap| !headers.contains_key(CONTENT_TYPE);
    let stack: Server<_, _> = cofferdam::http::server("shop").protocol(Http::new().lasting(untyped)).build().unwrap();
    let app = app(stack.clone());
    for (path, held, frames) in [("/export", 0, (90, None)), ("/events", 1, (27, Some(Why::DeadlineExceeded)))] {
        let response = app.clone().oneshot(asks(path)).await.unwrap();
        assert_eq!(stack.shedding().unwrap().limit().in_flight(), held, "{path}");
        assert_eq!(read(response.into_body(), Duration::from_millis(99_500)).await, frames, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_beside_the_shedding_counts_listeners() {
    let slots = Bulkhead::builder("listeners").limit(2).build().unwrap();
    let stack = cofferdam::http::server("shop").policy(slots.clone()).build().unwrap();
    let app = app(stack.clone());
    let first = app.clone().oneshot(asks("/events")).await.unwrap();
    let second = app.clone().oneshot(asks("/events")).await.unwrap();
    assert_eq!((slots.in_flight(), stack.shedding().unwrap().limit().in_flight()), (2, 0));
    assert_eq!(app.clone().oneshot(asks("/events")).await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    drop((first, second));
    assert_eq!(slots.in_flight(), 0);
    assert_eq!(app.oneshot(asks("/")).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_plain_guard_around_a_limit_does_the_same() {
    let limit = cofferdam::AdaptiveLimit::builder("shop").build().unwrap();
    let app = app(limit.clone().layer().http());
    let mut listening = Vec::new();
    for _ in 0..100 {
        let response = app.clone().oneshot(asks("/events")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        listening.push(response);
    }
    assert_eq!(limit.in_flight(), 0);
    drop(listening);
    assert_eq!(limit.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_the_time_of_an_attempt_that_its_server_is_told_of() {
    // Given a server's stack that knows of its callers what their headers say
    let server = app(cofferdam::http::server("shop").build().unwrap());
    let over_the_wire = tower::util::MapRequestLayer::new(|mut request: Request<Body>| {
        request.extensions_mut().clear();
        request
    });
    let service = cofferdam::http::client("shop")
        .map_body(Body::new)
        .retry(|retry| retry.attempts(1))
        .without_hedge()
        .build()
        .unwrap()
        .layer(over_the_wire.layer(server));

    // When a client with the 2 s of its stack asks for what takes long, then it has as long as if it had said nothing
    for (path, read_in_time) in [("/events", (90, None)), ("/export", (27, Some(Why::DeadlineExceeded)))] {
        let response = service.clone().oneshot(asks(path)).await.unwrap();
        assert_eq!(read(Body::new(response.into_body()), Duration::from_millis(99_500)).await, read_in_time, "{path}");
    }

    // But the head has to be there by then, and whoever has a deadline has it at the other end as well
    let began = Instant::now();
    let hung = service.clone().oneshot(asks("/hangs")).await.unwrap();
    assert_eq!((hung.status(), Instant::now().since(began)), (StatusCode::GATEWAY_TIMEOUT, seconds(2)));
    let mut named = asks("/events");
    cofferdam::Context::set_deadline(&mut named, cofferdam::Deadline::after(Duration::from_millis(5_500)));
    let response = service.oneshot(named).await.unwrap();
    assert_eq!(read(Body::new(response.into_body()), seconds(100)).await, (5, Some(Why::DeadlineExceeded)));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_passed_on_for_a_caller_without_a_deadline_goes_on() {
    // Given a proxy that asks for events on behalf of its caller, from a service with a stack of its own
    let client = cofferdam::http::client("shop").map_body(Body::new).build().unwrap();
    let over_the_wire = tower::util::MapRequestLayer::new(|mut request: Request<Body>| {
        request.extensions_mut().clear();
        request
    });
    let shop = client.layer(over_the_wire.layer(app(cofferdam::http::server("shop").build().unwrap())));
    let proxy = Router::new()
        .fallback(move |incoming: Request<Body>| {
            let mut outgoing = asks("/events");
            cofferdam::Context::on_behalf_of(&mut outgoing, &incoming);
            let answer = shop.clone().oneshot(outgoing);
            async move { answer.await.unwrap().map(Body::new) }
        })
        .layer(cofferdam::http::server("proxy").build().unwrap());
    let response = proxy.oneshot(asks("/")).await.unwrap();
    assert_eq!(read(response.into_body(), Duration::from_millis(99_500)).await, (90, None));
}
