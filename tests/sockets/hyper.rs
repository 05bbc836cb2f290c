//! Hyper clients on real sockets: what goes wrong between two processes is seen for what it is.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use cofferdam::{
    BreakerState, Bulkhead, CircuitBreaker, Context, ContextHeaders, Criticality, Deadline, Outcome, Policy, TaskKey,
    Timeout, Why,
    context::{Carried, Trust},
    guard, rejection,
};
use http::{Extensions, HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use tower::{ServiceBuilder, ServiceExt};

use crate::support::{Fed, Noticing, fed, nobody, serve, within};

fn client() -> Client<HttpConnector, Empty<Bytes>> {
    Client::builder(TokioExecutor::new()).build_http()
}

fn to(address: SocketAddr) -> Request<Empty<Bytes>> {
    Request::get(format!("http://{address}/")).body(Empty::new()).unwrap()
}

/// A breaker that stays open for as long as a test may last.
fn breaker(failures: u32) -> CircuitBreaker {
    CircuitBreaker::builder("dependency")
        .consecutive_failures(failures)
        .open_time(Duration::from_secs(600))
        .open_time_max(Duration::from_secs(600))
        .build()
        .unwrap()
}

/// A server that writes these bytes to each connection, once it has had a request, and then does what is said.
async fn rude(answer: &'static [u8], reset: bool) -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connected, connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if connected.send(()).is_err() {
                return;
            }
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
            if reset {
                // Whoever closes at once with the answer still under way sends a reset, as a process that dies does.
                let _ = stream.set_zero_linger();
            } else {
                std::future::pending::<()>().await;
            }
        }
    });
    (address, connections)
}

#[tokio::test]
async fn a_refused_connection_is_a_failure_and_opens_the_breaker() {
    // Given an address on which nobody listens
    let address = nobody().await;
    let breaker = breaker(3);
    let service = ServiceBuilder::new()
        .layer(guard(breaker.clone().and(Bulkhead::builder("dependency").limit(4).build().unwrap())).http())
        .layer(Timeout::builder("dependency").attempt(Duration::from_secs(5)).http().build().unwrap())
        .service(client());

    // Then each call is the client's own error, which no layer had to know of, and a failure
    for failures in 1..=3 {
        let error = within("an answer", service.clone().oneshot(to(address))).await.map(drop).unwrap_err();
        assert!(error.is_connect());
        assert_eq!(breaker.counts().failures, failures);
    }
    assert_eq!(breaker.state(), BreakerState::Open);

    // And when somebody does listen, the open breaker answers without even connecting
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let response = within("an answer", service.oneshot(to(address))).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rejection(&response).unwrap().why(), Why::Open);
    let nobody = std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_pending()));
    assert!(nobody.await, "somebody has connected");
}

#[tokio::test]
async fn defect_217_a_reset_in_the_middle_of_the_body_is_a_failure() {
    // Given a server that promises a hundred bytes, sends three, and resets the connection
    let (address, _connections) = rude(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc", true).await;
    let (ends, breaker) = (Noticing::new(), breaker(1));
    let service = guard(ends.clone().and(breaker.clone())).http();
    let service = ServiceBuilder::new().layer(service).service(client());

    // Then the head was good and the body is an error; or the reset overtook the head, which is an error as well
    if let Ok(response) = within("an answer", service.oneshot(to(address))).await {
        assert_eq!(response.status(), StatusCode::OK);
        assert!(within("the body", response.into_body().collect()).await.is_err());
    }

    // And the call was a failure either way
    assert_eq!(ends.ended(1).await, [Outcome::Failure]);
    assert_eq!(breaker.state(), BreakerState::Open);
}

#[tokio::test]
async fn defect_217_a_body_that_is_cut_short_is_a_failure() {
    // Given a chunked answer whose last chunk never comes, on a connection that is closed in good order
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
        let _ = stream.shutdown().await;
        let _ = stream.read(&mut request).await;
    });
    let ends = Noticing::new();
    let service = ServiceBuilder::new().layer(ends.clone().layer().http()).service(client());

    // Then the head and the first bytes arrive, the rest is an error, and the call a failure
    let response = within("an answer", service.oneshot(to(address))).await.unwrap();
    let mut body = response.into_body();
    assert_eq!(within("a frame", body.frame()).await.unwrap().unwrap().into_data().unwrap(), "abc");
    assert!(ends.so_far().is_empty());
    assert!(within("a frame", body.frame()).await.unwrap().is_err());
    assert_eq!(ends.ended(1).await, [Outcome::Failure]);
}

#[tokio::test]
async fn defect_217_whoever_reads_all_has_had_a_success_and_whoever_leaves_has_not_had_a_failure() {
    // Given a server that streams what the test says
    let (feeds, mut receiver) = mpsc::unbounded_channel();
    let handler = get(move || {
        let (feed, body) = fed();
        feeds.send(feed).unwrap();
        async move { Response::new(Body::new(body)) }
    });
    let address = serve(Router::new().route("/", handler)).await;
    let (ends, slots) = (Noticing::new(), Bulkhead::builder("dependency").limit(2).build().unwrap());
    let service = ServiceBuilder::new().layer(guard(slots.clone().and(ends.clone())).http()).service(client());

    // When one caller reads to the end
    let response = within("an answer", service.clone().oneshot(to(address))).await.unwrap();
    let feed = within("a call", receiver.recv()).await.unwrap();
    feed.send("abc".into()).unwrap();
    assert_eq!(slots.in_flight(), 1);
    drop(feed);
    assert_eq!(within("the body", response.into_body().collect()).await.unwrap().to_bytes(), "abc");
    assert_eq!((ends.so_far(), slots.in_flight()), (vec![Outcome::Success], 0));

    // And another leaves after the first bytes
    let response = within("an answer", service.oneshot(to(address))).await.unwrap();
    let feed = within("a call", receiver.recv()).await.unwrap();
    feed.send("abc".into()).unwrap();
    let mut body = response.into_body();
    assert!(within("a frame", body.frame()).await.unwrap().is_ok());
    drop(body);

    // Then that was abandoned, and the server hears of it
    assert_eq!((ends.so_far(), slots.in_flight()), (vec![Outcome::Success, Outcome::Abandoned], 0));
    within("the server to hear of it", feed.closed()).await;
}

#[tokio::test]
async fn defect_57_139_a_server_that_hangs_is_a_failure_at_its_head_and_in_its_body() {
    // Given a server that accepts and says nothing, and one that says only its head
    let (silent, mut connections) = rude(b"", false).await;
    let (stalling, _connections) = rude(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc", false).await;
    let ends = Noticing::new();
    let timeout = Timeout::builder("dependency").attempt(Duration::from_millis(200)).http();
    let service = ServiceBuilder::new()
        .layer(ends.clone().layer().http())
        .layer(timeout.between_frames(Duration::from_millis(200)).build().unwrap())
        .service(client());

    // Then the first is a 504, and was connected to
    let response = within("an answer", service.clone().oneshot(to(silent))).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    within("a connection", connections.recv()).await.unwrap();
    drop(response);
    assert_eq!(ends.ended(1).await, [Outcome::Failure]);

    // And the second a good head, and a body that ends in the reason why there is no more
    let response = within("an answer", service.oneshot(to(stalling))).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let error = within("the body", response.into_body().collect()).await.map(drop).unwrap_err();
    assert_eq!(cofferdam::Rejected::find(error.as_ref()).unwrap().why(), Why::TimedOut);
    assert_eq!(ends.ended(2).await, [Outcome::Failure, Outcome::Failure]);
}

#[tokio::test]
async fn defect_218_an_early_answer_may_overtake_its_request() {
    // Given a server that answers at the head of the request, and a request whose body has not ended
    let (ends, slots) = (Noticing::new(), Bulkhead::builder("server").limit(1).build().unwrap());
    let app = Router::new()
        .route(
            "/",
            axum::routing::post(|body: Body| async move {
                // It keeps the body: the upload goes on while the answer is under way.
                tokio::spawn(async move { drop(BodyExt::collect(body).await) });
                "early"
            }),
        )
        .layer(guard(slots.clone().and(ends.clone())).http());
    let address = serve(app).await;
    let client: Client<_, Fed> = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let (upload, body) = fed();
    upload.send("first".into()).unwrap();
    let request = Request::post(format!("http://{address}/")).body(body).unwrap();
    let own = Bulkhead::builder("client").limit(1).build().unwrap();
    let service = ServiceBuilder::new().layer(own.clone().layer().http()).service(client);

    // Then the answer is whole before the request is
    let response = within("an answer", service.oneshot(request)).await.unwrap();
    assert_eq!(within("the body", response.into_body().collect()).await.unwrap().to_bytes(), "early");
    assert!(!upload.is_closed());

    // And both ends have let go of the call
    assert_eq!(ends.ended(1).await, [Outcome::Success]);
    assert_eq!((slots.in_flight(), own.in_flight()), (0, 0));
    for _ in 0..64 {
        upload.send(vec![0; 16 * 1024].into()).unwrap();
    }
}

/// What a service was told.
type Told = (Option<Criticality>, Option<Duration>, Option<TaskKey>);

/// A service that works for that long, and then asks the next one, if there is one, in each request's name.
async fn asking(works: Duration, next: Option<SocketAddr>) -> (SocketAddr, mpsc::UnboundedReceiver<Told>) {
    let headers = ContextHeaders::default();
    let (tell, told) = mpsc::unbounded_channel();
    let client = ServiceBuilder::new().layer(headers.outbound()).service(client());
    let handler = get(move |extensions: Extensions, headers: HeaderMap| {
        let (tell, client, caller) = (tell.clone(), client.clone(), Carried::of(&extensions));
        async move {
            assert!(!headers.keys().any(|name| name.as_str().starts_with("x-request-")));
            let left = caller.deadline().map(Deadline::remaining);
            tell.send((caller.criticality(), left, caller.task())).unwrap();
            tokio::time::sleep(works).await;
            if let Some(next) = next {
                let mut outgoing = to(next);
                outgoing.on_behalf_of(&caller);
                // This service thinks highly of itself.
                outgoing.set_criticality(Criticality::CriticalPlus);
                outgoing.headers_mut().insert("x-request-timeout-ms", HeaderValue::from_static("86400000"));
                assert_eq!(client.oneshot(outgoing).await.unwrap().status(), StatusCode::OK);
            }
        }
    });
    let address = serve(Router::new().route("/", handler).layer(headers.inbound(Trust::default()))).await;
    (address, told)
}

#[tokio::test]
async fn defect_144_164_what_a_request_is_worth_reaches_the_end_of_a_call_tree_and_is_never_more() {
    // Given three services in a row, of which two work for 20 ms
    let work = Duration::from_millis(20);
    let (last, mut third) = asking(Duration::ZERO, None).await;
    let (middle, mut second) = asking(work, Some(last)).await;
    let (first, mut first_told) = asking(work, Some(middle)).await;

    // (what the first is told, and what then holds in all of them)
    let task = Some(TaskKey::of("order 4711"));
    let cases = [
        (
            [("x-request-criticality", "SHEDDABLE"), ("x-request-task", "order 4711")],
            (Some(Criticality::Sheddable), task),
        ),
        ([("x-request-criticality", "CRITICAL_PLUS"), ("x-other", "")], (Some(Criticality::Critical), None)),
    ];
    for (said, (class, task)) in cases {
        let mut request = to(first);
        request.headers_mut().insert("x-request-timeout-ms", HeaderValue::from_static("5000"));
        for (name, text) in said {
            request.headers_mut().insert(name, HeaderValue::from_static(text));
        }
        let answer = within("an answer", client().request(request)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);

        let mut before = Duration::from_millis(5000) + work;
        for told in [&mut first_told, &mut second, &mut third] {
            let (told_class, left, told_task) = told.recv().await.unwrap();
            assert_eq!((told_class, told_task), (class, task));
            // Each has less time than the one before, by what that worked
            assert!(left.unwrap() <= before - work, "{left:?} after {before:?}");
            before = left.unwrap();
        }
    }
}
