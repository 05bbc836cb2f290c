//! What the stack of a client does with several attempts: bodies, hedges, the budget, and servers that turn calls away.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{AdaptiveThrottle, BreakerState, Bulkhead, Context, Policy, Replay};
use futures_util::stream;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{ms, rich};

/// What a service has been sent: of each attempt its number, and the body with its trailers.
type Sent = Arc<Mutex<Vec<(u32, Vec<u8>, Option<HeaderMap>)>>>;

/// Reads each request to its end, and answers with what it is told for that attempt, after that long.
fn reads_all<B>(
    sent: &Sent,
    answer: impl Fn(u32) -> (StatusCode, Duration) + Clone + Send + 'static,
) -> impl Service<Request<B>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + Send
where
    B: Body<Data = Bytes, Error: std::fmt::Debug> + Send + 'static,
{
    let sent = Arc::clone(sent);
    service_fn(move |request: Request<B>| {
        let (sent, number) = (Arc::clone(&sent), request.attempt().number());
        let (status, after) = answer(number);
        async move {
            let body = request.into_body().collect().await.unwrap();
            let trailers = body.trailers().cloned();
            sent.lock().unwrap().push((number, body.to_bytes().to_vec(), trailers));
            tokio::time::sleep(after).await;
            let mut response = Response::new(String::new());
            *response.status_mut() = status;
            Ok(response)
        }
    })
}

/// A body that is no `Clone`, comes in pieces over time, and ends in trailers.
fn upload() -> impl Body<Data = Bytes, Error = Infallible> + Send {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", "8e03978e".parse().unwrap());
    let pieces = (0..20_u8).map(|piece| Frame::data(Bytes::from(vec![piece; 1 + 97 * usize::from(piece)])));
    let frames = pieces.chain([Frame::trailers(trailers)]).collect::<Vec<_>>();
    StreamBody::new(Box::pin(stream::unfold(frames.into_iter(), |mut frames| async move {
        tokio::time::sleep(ms(1)).await;
        Some((Ok(frames.next()?), frames))
    })))
}

fn uploaded() -> Vec<u8> {
    (0..20_u8).flat_map(|piece| vec![piece; 1 + 97 * usize::from(piece)]).collect()
}

fn put<B>(body: B) -> Request<B> {
    Request::put("/charges/7").body(body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_is_sent_again_byte_for_byte_with_its_trailers() {
    let sent = Sent::default();
    let stack = cofferdam::http::client("payments").build().unwrap();
    let fails_twice = |number| (if number < 3 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }, Duration::ZERO);
    let response = stack.layer(reads_all(&sent, fails_twice)).oneshot(put(upload())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    let sent = sent.lock().unwrap();
    assert_eq!(sent.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [1, 2, 3]);
    for (_, body, trailers) in &*sent {
        assert!(*body == uploaded() && trailers.as_ref().unwrap()["x-checksum"] == "8e03978e");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_sends_the_same_body_while_the_first_is_still_being_read_and_pays_from_the_budget() {
    let sent = Sent::default();
    let stack = cofferdam::http::client("payments").hedge(|hedge| hedge.fixed_delay(ms(10))).build().unwrap();
    assert_eq!(stack.budget().balance(), 3.0);

    // The body takes 21 ms to come in, so the hedge begins in the middle of it.
    let slow_at_first = |number| (StatusCode::OK, if number == 1 { ms(1000) } else { ms(0) });
    let response = stack.layer(reads_all(&sent, slow_at_first)).oneshot(put(upload())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);

    let sent = sent.lock().unwrap();
    assert!(sent.len() >= 2, "{} were sent", sent.len());
    assert!(sent.iter().all(|(_, body, trailers)| *body == uploaded() && trailers.is_some()));
    let counts = stack.hedge().unwrap().counts();
    assert!(counts.sent >= 1 && counts.won == 1, "{counts:?}");
    // One success pays a tenth.
    let balance = stack.budget().balance();
    assert!(balance <= 3.1 - counts.sent as f64 + 1e-6, "{balance} after {} hedges", counts.sent);
    assert_eq!(stack.hedge().unwrap().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_retry_a_hedge_records_by_itself() {
    let sent = Sent::default();
    let stack = cofferdam::http::client("payments")
        .without_retry()
        .hedge(|hedge| hedge.fixed_delay(ms(10)).extra(1))
        .build()
        .unwrap();
    let slow_at_first = |number| (StatusCode::OK, if number == 1 { ms(1000) } else { ms(0) });
    stack.layer(reads_all(&sent, slow_at_first)).oneshot(put(upload())).await.unwrap();
    assert_eq!(sent.lock().unwrap().iter().filter(|(_, body, _)| *body == uploaded()).count(), 2);

    // What must not be sent twice is not, by whoever it would be: a body or none.
    sent.lock().unwrap().clear();
    let service = stack.layer(reads_all(&sent, slow_at_first));
    for body in ["250", ""] {
        service.clone().oneshot(Request::post("/charges").body(body.to_owned()).unwrap()).await.unwrap();
    }
    assert_eq!(sent.lock().unwrap().iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(stack.hedge().unwrap().counts().sent, 1);
}

#[tokio::test(start_paused = true)]
async fn only_what_may_be_sent_twice_is_repeated_or_hedged() {
    for (method, key, repeated) in [
        (Method::GET, false, true),
        (Method::PUT, false, true),
        (Method::POST, false, false),
        (Method::PATCH, false, false),
        (Method::POST, true, true),
    ] {
        let sent = Sent::default();
        let stack = cofferdam::http::client("payments")
            .hedge(|hedge| hedge.fixed_delay(ms(10)).extra(1))
            .budget(rich())
            .build()
            .unwrap();
        let fails = |number| (if number == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK }, ms(20));
        let mut request = Request::builder().method(method.clone()).body("250".to_owned()).unwrap();
        if key {
            request.headers_mut().insert("idempotency-key", "8e03978e".parse().unwrap());
        }
        let response = stack.layer(reads_all(&sent, fails)).oneshot(request).await.unwrap();
        let sent = sent.lock().unwrap();
        assert_eq!(sent.len() > 1, repeated, "{method} {key}: {}", sent.len());
        assert_eq!(response.status() == StatusCode::OK, repeated, "{method} {key}");
        assert!(sent.iter().all(|(_, body, _)| body == b"250"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_to_keep_is_sent_once_and_whole() {
    let sent = Sent::default();
    let stack = cofferdam::http::client("payments").body_limit(1000).build().unwrap();
    let fails = |_| (StatusCode::BAD_GATEWAY, Duration::ZERO);
    let response = stack.layer(reads_all(&sent, fails)).oneshot(put(upload())).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let sent = sent.lock().unwrap();
    assert!(sent.len() == 1 && sent[0].1 == uploaded());
}

#[tokio::test(start_paused = true)]
async fn nothing_extra_is_sent_while_the_breaker_is_known_to_be_open_or_the_budget_is_used_up() {
    let stack = cofferdam::http::client("payments")
        .hedge(|hedge| hedge.fixed_delay(ms(10)).extra(1))
        .breaker(None)
        .build()
        .unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let slow = stack.layer(counted(Arc::clone(&asked), StatusCode::OK, ms(30)));

    // Three tokens, and each success pays a tenth: of ten calls three are hedged, and after that one of ten.
    for _ in 0..10 {
        slow.clone().oneshot(put("250".to_owned())).await.unwrap();
    }
    assert_eq!((asked.swap(0, Ordering::Relaxed), stack.hedge().unwrap().counts().sent), (13, 3));
    // The eleventh finds what ten have earned.
    slow.clone().oneshot(put("250".to_owned())).await.unwrap();
    assert_eq!(asked.swap(0, Ordering::Relaxed), 2);

    let stack = cofferdam::http::client("payments").budget(rich()).hedge(|it| it.fixed_delay(ms(10))).build().unwrap();
    let report = stack.dependency().report();
    report.state(cofferdam::dependency::Fact::Open, cofferdam::Instant::now().after(Duration::from_secs(60)));
    let failing = stack.layer(counted(Arc::clone(&asked), StatusCode::BAD_GATEWAY, ms(30)));
    failing.clone().oneshot(put("250".to_owned())).await.unwrap();
    assert_eq!(asked.swap(0, Ordering::Relaxed), 1);
    drop(report);
    failing.oneshot(put("250".to_owned())).await.unwrap();
    assert!(asked.load(Ordering::Relaxed) > 1);
}

/// Answers all alike after a while, and counts.
fn counted(
    asked: Arc<AtomicU32>,
    status: StatusCode,
    after: Duration,
) -> impl Service<Request<Replay<String>>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + Send
{
    service_fn(move |_| {
        asked.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::time::sleep(after).await;
            let mut response = Response::new(String::new());
            *response.status_mut() = status;
            Ok(response)
        }
    })
}

/// A server that does 200 calls a second, has a short line and turns the rest away, and one client that sends 1,600: how many of them are
/// done in each of the last three seconds, and whether the breaker was ever seen not to be closed.
async fn overloads(stack: cofferdam::presets::Client) -> (u32, bool) {
    let slots = Bulkhead::builder("server").limit(4).queue(8).build().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let server = slots.layer().http().layer(counted(Arc::clone(&asked), StatusCode::OK, ms(20)));
    // Another process: of what its policies said nothing but the status comes here.
    let service = stack.layer(server.map_response(|mut response: Response<_>| {
        response.extensions_mut().clear();
        response
    }));
    let (done, mut opened) = (Arc::new(AtomicU32::new(0)), false);
    for tick in 0..1200 {
        if tick == 600 {
            done.store(0, Ordering::Relaxed);
        }
        for _ in 0..8 {
            let (call, done) = (service.clone().oneshot(put("250".to_owned())), Arc::clone(&done));
            tokio::spawn(async move {
                let status = call.await.unwrap().status();
                done.fetch_add(u32::from(status == StatusCode::OK), Ordering::Relaxed);
            });
        }
        tokio::time::sleep(ms(5)).await;
        opened |= stack.breaker().unwrap().state() != BreakerState::Closed;
    }
    (done.load(Ordering::Relaxed) / 3, opened)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_turns_calls_away_opens_no_breaker_and_does_what_it_can() {
    let (done, opened) = overloads(cofferdam::http::client("payments").build().unwrap()).await;
    assert!(!opened && done >= 180, "{done} a second, opened: {opened}");
    let limited = cofferdam::http::client("payments").throttle(None).limited().build().unwrap();
    let (done, opened) = overloads(limited).await;
    assert!(!opened && done >= 160, "{done} a second, opened: {opened}");

    // What would be otherwise, with a breaker that opens at half of the calls.
    let counting = cofferdam::http::client("payments").set("breaker.overloads", "yes");
    let counting =
        counting.set("breaker.failure_ratio", "0.5").set("breaker.consecutive_failures", "10").build().unwrap();
    let (done, opened) = overloads(counting).await;
    assert!(opened && done < 100, "{done} a second, opened: {opened}");
}

#[tokio::test(start_paused = true)]
async fn without_anybody_who_heeds_them_overloads_are_failures() {
    let open = |stack: &cofferdam::presets::Client| stack.breaker().unwrap().state() == BreakerState::Open;
    let client = || cofferdam::http::client("payments");
    let throttle: AdaptiveThrottle = AdaptiveThrottle::builder("own").build().unwrap();
    for (builder, opens) in [
        (client(), false),
        (client().throttle(throttle), false),
        (client().throttle(None), true),
        (client().throttle(None).limited(), false),
    ] {
        let stack = builder.without_retry().build().unwrap();
        let service = stack.layer(counted(Arc::default(), StatusCode::SERVICE_UNAVAILABLE, Duration::ZERO));
        for _ in 0..200 {
            service.clone().oneshot(put(String::new())).await.unwrap();
        }
        assert_eq!(open(&stack), opens);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_and_silence_open_it_in_the_midst_of_overloads() {
    // Nine of ten are turned away, and what is not fails.
    let stack = cofferdam::http::client("payments").without_retry().throttle(None).limited().build().unwrap();
    let (turned_away, failing) = (StatusCode::SERVICE_UNAVAILABLE, StatusCode::INTERNAL_SERVER_ERROR);
    for (status, opens) in [(turned_away, false), (failing, true)] {
        let service = stack.layer(counted(Arc::default(), status, Duration::ZERO));
        for _ in 0..40 {
            service.clone().oneshot(put(String::new())).await.unwrap();
        }
        assert_eq!(stack.breaker().unwrap().state() == BreakerState::Open, opens, "{status}");
    }

    // Half-open, "not now" is an answer: the server is there, and closing lets the throttle find out how much it takes.
    tokio::time::sleep(ms(1_200)).await;
    let service = stack.layer(counted(Arc::default(), turned_away, Duration::ZERO));
    for _ in 0..3 {
        service.clone().oneshot(put(String::new())).await.unwrap();
    }
    assert_eq!(stack.breaker().unwrap().state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_given_up_says_so_by_the_header_that_was_chosen() {
    let own = || cofferdam::http::client("payments").without_hedge().exhausted_header("x-given-up");
    for (builder, header) in [
        (cofferdam::http::client("payments").without_hedge(), Some("x-request-exhausted")),
        (own(), Some("x-given-up")),
        (own().protocol(cofferdam::Http::new()), Some("x-given-up")),
        (own().exhausted_header(None), None),
    ] {
        let stack = builder.attempts(2).build().unwrap();
        let sent = Sent::default();
        let failing = |_| (StatusCode::INTERNAL_SERVER_ERROR, Duration::ZERO);
        let service = stack.layer(reads_all::<Replay<String>>(&sent, failing));
        let response = service.oneshot(put(String::new())).await.unwrap();
        let marks: Vec<_> = response.headers().iter().map(|(name, count)| (name.as_str(), count.as_bytes())).collect();
        assert_eq!(marks, header.map(|name| (name, &b"2"[..])).into_iter().collect::<Vec<_>>());
    }
    let invalid = cofferdam::http::client("payments").exhausted_header("te").build().unwrap_err();
    assert!(invalid.to_string().starts_with("`retry.exhausted_header` cannot be te"), "{invalid}");
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn over_grpc_what_was_said_is_repeated_in_the_body_that_a_channel_takes() {
    let sent = Sent::default();
    let stack = cofferdam::grpc::client("payments")
        .idempotent(|request: &Request<tonic::body::Body>| request.uri().path() == "/Payments/Find")
        .map_body(tonic::body::Body::new)
        .build()
        .unwrap();
    let inner = reads_all::<tonic::body::Body>(&sent, |_| (StatusCode::OK, Duration::ZERO));
    let unavailable = stack.layer(inner.map_response(|response: Response<String>| {
        let (mut head, body) = response.into_parts();
        head.headers.insert("content-type", "application/grpc".parse().unwrap());
        head.headers.insert("grpc-status", "13".parse().unwrap());
        Response::from_parts(head, body)
    }));
    for (path, times) in [("/Payments/Find", 3), ("/Payments/Charge", 1)] {
        let body = tonic::body::Body::new(http_body_util::Full::new(Bytes::from_static(b"250")));
        let _ = unavailable.clone().oneshot(Request::post(path).body(body).unwrap()).await.unwrap();
        let sent = std::mem::take(&mut *sent.lock().unwrap());
        assert_eq!(sent.len() > 1, times > 1, "{path}: {}", sent.len());
        assert!(sent.iter().all(|(_, body, _)| body == b"250"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_after_one_that_was_never_sent_costs_a_tenth() {
    let costs = async |says_unsent: bool| {
        let budget = cofferdam::Budget::builder("unsent").build().unwrap();
        let stack = cofferdam::http::client("unsent").without_hedge().breaker(None).attempts(2).budget(budget.clone());
        let stack = stack
            .unsent(move |error: &std::io::Error| says_unsent && error.kind() == std::io::ErrorKind::ConnectionRefused);
        let stack = stack.build().unwrap();
        let refuses = service_fn(|_: Request<Replay<String>>| async {
            Err::<Response<String>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
        });
        let before = budget.balance();
        let service = stack.clone().layer(refuses);
        service.oneshot(Request::new(String::new())).await.map(drop).unwrap_err();
        before - budget.balance()
    };
    assert!((costs(true).await - 0.1).abs() < 0.001);
    assert!((costs(false).await - 1.0).abs() < 0.001);
}
