//! A server on its way out, told as stories on a clock that stands still.
#![cfg(all(feature = "http", feature = "test-util"))]
#![allow(missing_docs)]

mod support;

use std::{
    convert::Infallible,
    future::pending,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    AdaptiveLimit, BoxError, Bulkhead, CircuitBreaker, Context as _, Control, Cutting, Drain, DrainState, Instant,
    LoadShed, Policy, Refused, Rejected, Shadow, TaskKey, What, Why,
    drain::{Builder, Nobody},
    guard, observe, rejection,
};
use futures_util::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use support::{CountingWaker, Fed, controlled, fed, poll, poll_with};
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

const GRACE: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(30);

fn builder() -> Builder {
    Drain::builder("server").grace(GRACE).deadline(DEADLINE)
}

fn drain() -> Drain {
    builder().build().unwrap()
}

/// For requests of any type.
fn plain() -> Drain<Nobody> {
    builder().exempt_nobody().build().unwrap()
}

fn get(path: &str) -> Request<String> {
    Request::get(path).body(String::new()).unwrap()
}

async fn readiness(drain: &Drain) -> (u16, String) {
    let response = drain.readiness().oneshot(get("/readyz")).await.unwrap();
    (response.status().as_u16(), response.into_body())
}

/// A future that waits for its end, and is driven.
fn awaited(drain: &Drain<impl Send + 'static>) -> tokio::task::JoinHandle<cofferdam::drain::Drained> {
    tokio::spawn(drain.begin())
}

/// Lets all tasks run that can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn defect_192_readiness_says_no_first_and_calls_are_still_let_in_for_as_long_as_that_takes_to_be_seen() {
    // Given a server that answers at once
    let drain = drain();
    let hello = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(String::from("hello"))) });
    let server = drain.clone().layer().http().layer(hello);
    assert_eq!(readiness(&drain).await, (200, "ready\n".into()));
    assert!(!server.clone().oneshot(get("/")).await.unwrap().headers().contains_key("connection"));

    // When it begins to drain
    let (began, report) = (Instant::now(), awaited(&drain));

    // Then readiness says so in that moment, and calls are let in to the last moment of the grace period; answers send
    // clients elsewhere meanwhile
    for _ in 0..50 {
        assert_eq!(readiness(&drain).await, (503, "leaving\n".into()));
        let response = server.clone().oneshot(get("/")).await.unwrap();
        assert_eq!((response.status(), &response.headers()["connection"]), (StatusCode::OK, &"close".parse().unwrap()));
        drop(response);
        advance(GRACE / 50).await;
    }

    // And none after it
    let response = server.clone().oneshot(get("/")).await.unwrap();
    assert_eq!(rejection(&response).map(Rejected::why), Some(Why::Draining));
    assert_eq!(report.await.unwrap().to_string(), "0 calls ended, 0 were cut");
    assert_eq!(Instant::now().since(began), GRACE);
    assert_eq!(readiness(&drain).await, (503, "drained\n".into()));
}

#[tokio::test(start_paused = true)]
async fn defect_195_who_is_not_let_in_is_told_to_go_elsewhere() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let server =
        drain.clone().layer().http().layer(service_fn(|_: Request<String>| async {
            Ok::<_, Infallible>(Response::new(String::from("hello")))
        }));
    drain.begin().await;
    let response = server.oneshot(get("/")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(response.headers()["retry-after"], "0");
    let rejected = *rejection(&response).unwrap();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("server", Why::Draining));
    assert_eq!(rejected.retry_after(), Some(Duration::ZERO));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("the server is shutting down"));
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_over_grpc_is_told_that_the_server_is_unavailable() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let server =
        drain.clone().layer().grpc().layer(service_fn(|_: Request<String>| async {
            Ok::<_, Infallible>(Response::new(String::from("hello")))
        }));
    drain.begin().await;
    let response = server.clone().oneshot(get("/test.Echo/unary")).await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "14");
    assert_eq!(response.headers()["grpc-retry-pushback-ms"], "0");
    assert!(!response.headers().contains_key("connection"), "there is no such thing in HTTP/2");
    // Whoever asks how it is gets an answer.
    let health = server.oneshot(get("/grpc.health.v1.Health/Check")).await.unwrap();
    assert!(rejection(&health).is_none());
}

/// A server whose answers are fed by the test.
fn streaming() -> (
    tokio::sync::mpsc::UnboundedReceiver<tokio::sync::mpsc::UnboundedSender<Bytes>>,
    impl Service<Request<String>, Response = Response<Fed>, Error = Infallible, Future: Send> + Clone,
) {
    let (feeds, receiver) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |_: Request<String>| {
        let (feed, body) = fed();
        feeds.send(feed).unwrap();
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    (receiver, service)
}

#[tokio::test(start_paused = true)]
async fn defect_191_a_body_that_is_still_on_its_way_is_waited_for() {
    // Given a call whose answer has begun
    let (drain, (mut feeds, service)) = (drain(), streaming());
    let server = drain.clone().layer().http().layer(service);
    let mut body = server.oneshot(get("/")).await.unwrap().into_body();
    let feed = feeds.recv().await.unwrap();

    // When it drains
    let report = awaited(&drain);
    sleep(GRACE + Duration::from_secs(20)).await;

    // Then it is not over while the body goes on, and the body loses nothing
    for part in ["one", "two"] {
        feed.send(Bytes::from(part)).unwrap();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!((frame.into_data().unwrap(), drain.state()), (Bytes::from(part), DrainState::Draining));
    }
    settle().await;
    assert!(!report.is_finished());
    drop(feed);
    assert!(body.frame().await.is_none());
    let report = report.await.unwrap();
    assert_eq!((report.ended, report.cut, drain.state()), (1, 0, DrainState::Drained));
}

#[tokio::test(start_paused = true)]
async fn defect_189_at_the_deadline_what_is_left_is_ended_and_counted() {
    // Given a call that hangs before its answer, and one whose body stalls
    let drain = drain();
    let (service, mut calls) = controlled::<Request<String>, Response<Fed>>();
    let server = drain.clone().layer().http().layer(service);
    let hangs = tokio::spawn(server.clone().oneshot(get("/hangs")));
    let mut hanging = calls.recv().await.unwrap();
    let stalls = tokio::spawn(server.clone().oneshot(get("/stalls")));
    let (feed, body) = fed();
    feed.send(Bytes::from("part")).unwrap();
    calls.recv().await.unwrap().answer(Ok(Response::new(body)));
    let mut stalling = stalls.await.unwrap().unwrap().into_body();
    let stalls = tokio::spawn(async move {
        let first = stalling.frame().await.unwrap().unwrap().into_data().unwrap();
        (first, stalling.frame().await.unwrap().unwrap_err(), stalling.frame().await.is_none())
    });

    // When it drains
    let (began, report) = (Instant::now(), awaited(&drain));
    let report = report.await.unwrap();

    // Then the drain is over at the deadline, and says how many calls were cut
    assert_eq!(Instant::now().since(began), GRACE + DEADLINE);
    assert_eq!((report.ended, report.cut, drain.state()), (0, 2, DrainState::Drained));

    // And those calls have ended: one in an answer, as it had none, and the other in an error
    let response = hangs.await.unwrap().unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["connection"]), (503, &"close".parse().unwrap()));
    assert_eq!(rejection(&response).map(Rejected::why), Some(Why::Cut));
    hanging.dropped().await;
    let (first, error, over) = stalls.await.unwrap();
    assert_eq!(first, "part");
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Cut));
    assert!(over, "nothing follows");
    feed.closed().await;
    drop(response);
    assert_eq!(drain.in_flight(), 0);
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn a_grpc_stream_that_is_cut_ends_in_trailers() {
    let (drain, (mut feeds, service)) = (drain(), streaming());
    let server = drain.clone().layer().grpc().layer(service);
    let mut body = server.oneshot(get("/test.Echo/stream")).await.unwrap().into_body();
    let feed = feeds.recv().await.unwrap();
    feed.send(Bytes::from("message")).unwrap();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    let rest = tokio::spawn(async move { (body.frame().await.unwrap().unwrap(), body.frame().await.is_none()) });
    assert_eq!(awaited(&drain).await.unwrap().cut, 1);
    let (frame, over) = rest.await.unwrap();
    let trailers = frame.into_trailers().unwrap();
    assert_eq!((trailers["grpc-status"].to_str().unwrap(), over), ("14", true));
    assert!(!trailers.contains_key("grpc-retry-pushback-ms"), "it was begun, so only its sender knows");
    assert_eq!(drain.in_flight(), 0);
}

/// A call that never ends, under any group of policies.
async fn is_cut<P>(what: &str, drain: &Drain<Nobody>, policy: P)
where
    P: Policy<Kind = cofferdam::Immediate<Cutting>, Token: Send> + cofferdam::Admit<()> + Send + Sync + 'static,
{
    let call = tokio::spawn(policy.layer().call(&(), pending::<Result<(), ()>>));
    settle().await;
    let report = drain.begin().await;
    assert_eq!((report.ended, report.cut), (0, 1), "{what}");
    match call.await.unwrap() {
        Err(Refused::Rejected(rejected)) => assert_eq!((rejected.why(), rejected.retry_after()), (Why::Cut, None)),
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(drain.in_flight(), 0, "{what}");
}

#[tokio::test(start_paused = true)]
async fn calls_are_cut_in_any_group() {
    let breaker = || CircuitBreaker::builder("server").build().unwrap();
    let slots = || Bulkhead::builder("server").build().unwrap();
    let new = plain();
    is_cut("alone", &new, new.clone()).await;
    let new = plain();
    is_cut("first of a group", &new, (new.clone(), breaker(), slots())).await;
    let new = plain();
    is_cut("last of a group", &new, (breaker(), (slots(), new.clone()))).await;
    let new = plain();
    is_cut("optional", &new, Some(new.clone())).await;
    let new = plain();
    is_cut("shared", &new, Arc::new(new.clone())).await;
}

#[tokio::test(start_paused = true)]
async fn a_plain_service_is_cut_with_an_error_that_tells_and_its_call_counts_as_neither_good_nor_bad() {
    let (drain, breaker) = (plain(), CircuitBreaker::builder("inner").build().unwrap());
    let service = guard((breaker.clone(), drain.clone())).layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let call = tokio::spawn(service.oneshot(()));
    settle().await;
    drain.begin().await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Cut));
    assert_eq!(breaker.counts().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_shadow_counts_and_cuts_nothing() {
    let drain = plain();
    let call = tokio::spawn(Shadow::new(drain.clone()).layer().call(&(), pending::<Result<(), ()>>));
    settle().await;
    assert_eq!(drain.begin().await.cut, 1);
    settle().await;
    assert!(!call.is_finished());
    call.abort();
}

#[tokio::test(start_paused = true)]
async fn a_call_under_a_line_is_cut_while_its_service_is_made_ready() {
    // Given a call that has waited for its turn, and whose own clone of the service is never ready
    let (drain, slots) = (plain(), Bulkhead::builder("line").limit(1).queue(1).build().unwrap());
    let mut service = guard((drain.clone(), slots.clone())).layer(NeverReady { ready: true });
    let first = service.ready().await.unwrap().call(());
    let mut second = Box::pin(service.call(()));
    assert!(poll(second.as_mut()).is_pending());
    drop(first);
    assert!(poll(second.as_mut()).is_pending());
    assert_eq!((drain.in_flight(), slots.in_flight()), (1, 1));

    // Then it is cut as any other
    let second = tokio::spawn(second);
    settle().await;
    assert_eq!(drain.begin().await.cut, 1);
    let error = second.await.unwrap().unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Cut));
    assert_eq!((drain.in_flight(), slots.in_flight()), (0, 0));
}

/// Whoever was made ready by hand is; its clones never are.
struct NeverReady {
    ready: bool,
}

impl Clone for NeverReady {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<()> for NeverReady {
    type Response = ();
    type Error = BoxError;
    type Future = std::future::Pending<Result<(), BoxError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        if self.ready { std::task::Poll::Ready(Ok(())) } else { std::task::Poll::Pending }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_moves_to_another_task_is_woken_where_it_is() {
    let drain = plain();
    let mut call = Box::pin(drain.clone().layer().call(&(), pending::<Result<(), ()>>));
    let (before, after) = (Arc::new(CountingWaker::default()), Arc::new(CountingWaker::default()));
    for waker in [&before, &before, &after, &after] {
        assert!(poll_with(call.as_mut(), waker).is_pending());
    }
    drain.begin().await;
    assert_eq!((before.wakes(), after.wakes()), (0, 1));
    assert!(poll_with(call.as_mut(), &after).is_ready());
    assert_eq!(Arc::strong_count(&before) + Arc::strong_count(&after), 2, "nobody keeps a waker");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_last_call_wakes_whoever_waits_once() {
    let drain = builder().grace(Duration::ZERO).exempt_nobody().build().unwrap();
    let guard = drain.clone().layer();
    let calls: Vec<_> = (0..3).map(|_| guard.call(&(), pending::<Result<(), ()>>)).collect();
    let waker = Arc::new(CountingWaker::default());
    let mut finished = pin!(drain.begin());
    assert!(poll_with(finished.as_mut(), &waker).is_pending());
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(waker.wakes(), 0, "{n} of 3");
        drop(call);
    }
    assert_eq!(waker.wakes(), 1);
    assert_eq!(poll_with(finished.as_mut(), &waker).map(|drained| drained.ended), std::task::Poll::Ready(3));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_future_undoes_nothing_and_calls_that_come_keep_the_time() {
    let drain = plain();
    let guard = drain.clone().layer();
    let held = guard.call(&(), pending::<Result<(), ()>>);
    drop(drain.begin());
    assert_eq!(drain.state(), DrainState::Leaving);
    advance(GRACE - Duration::from_millis(1)).await;
    assert_eq!(guard.call(&(), || async { Ok::<_, ()>(()) }).await, Ok(()));
    advance(Duration::from_millis(1)).await;
    assert!(guard.call(&(), || async { Ok::<_, ()>(()) }).await.is_err());
    assert_eq!(drain.state(), DrainState::Draining);

    // Another future goes on from there, and keeps the deadline of the drain that was begun.
    let then = Instant::now();
    assert_eq!(drain.finished().await.cut, 1);
    assert_eq!(Instant::now().since(then), DEADLINE);
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn who_begins_again_joins() {
    let drain = plain();
    let _held = drain.hold().unwrap();
    let began = Instant::now();
    let first = awaited(&drain);
    sleep(GRACE + DEADLINE / 2).await;
    let second = awaited(&drain);
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first, Instant::now().since(began)), (second, GRACE + DEADLINE));
    assert_eq!(drain.begin().now_or_never(), Some(first));
}

#[tokio::test(start_paused = true)]
async fn a_drain_can_be_undone_until_calls_are_cut() {
    // Given a drain that has closed, with a call in flight
    let drain = plain();
    let guard = drain.clone().layer();
    let held = drain.hold().unwrap();
    let finished = awaited(&drain);
    sleep(GRACE).await;
    settle().await;
    assert!(drain.hold().is_err());

    // When it is undone
    assert!(drain.resume());

    // Then calls are let in, and whoever waits for the end waits for the next
    assert_eq!(drain.state(), DrainState::Ready);
    assert_eq!(guard.call(&(), || async { Ok::<_, ()>(()) }).await, Ok(()));
    drop(held);
    sleep(2 * (GRACE + DEADLINE)).await;
    assert!(!finished.is_finished());
    let (began, held) = (Instant::now(), drain.hold().unwrap());
    drop(drain.begin());
    let report = finished.await.unwrap();
    assert_eq!((report.ended, report.cut, Instant::now().since(began)), (0, 1, GRACE + DEADLINE));

    // And a drain whose deadline has cut calls is over for good
    assert!(!drain.resume());
    drop(held);
    assert!(!drain.resume());
    assert_eq!(drain.state(), DrainState::Drained);
}

#[tokio::test(start_paused = true)]
async fn what_lasts_longer_than_its_answer_can_be_held() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let (first, second) = (drain.hold().unwrap(), drain.hold().unwrap());
    let report = awaited(&drain);
    settle().await;
    assert_eq!(drain.hold().unwrap_err().why(), Why::Draining);
    drop(first);
    settle().await;
    assert!(!report.is_finished());
    drop(second);
    assert_eq!(report.await.unwrap().ended, 2);
}

#[tokio::test(start_paused = true)]
async fn defect_161_health_checks_are_let_in_at_any_time_up_to_what_health_checks_are() {
    let drain = builder().grace(Duration::ZERO).build().unwrap();
    let (service, mut calls) = controlled::<Request<String>, Response<String>>();
    let server = drain.clone().layer().http().layer(service);
    drain.begin().await;
    // Sixteen at a time are let in, and the drain is over all the same
    let mut checks: Vec<_> = (0..17).map(|_| Box::pin(server.clone().oneshot(get("/healthz")))).collect();
    let rejected = checks.iter_mut().filter_map(|check| check.as_mut().now_or_never()).count();
    assert_eq!((rejected, drain.in_flight(), drain.state()), (1, 0, DrainState::Drained));
    // Who asks for something else is not
    assert_eq!(server.clone().oneshot(get("/")).await.unwrap().status(), 503);
    for check in &mut checks[..16] {
        calls.recv().await.unwrap().answer(Ok(Response::new(String::new())));
        assert!(check.await.unwrap().status().is_success());
    }
    let later = tokio::spawn(server.oneshot(get("/healthz")));
    calls.recv().await.unwrap().answer(Ok(Response::new(String::new())));
    assert!(later.await.unwrap().unwrap().status().is_success());
}

#[tokio::test(start_paused = true)]
async fn readiness_is_answered_under_any_load() {
    // Given a server that sheds load, with nothing but readiness behind it, and whose only slot is taken
    let (drain, limit) = (drain(), AdaptiveLimit::builder("server").initial_limit(1).min_limit(1).max_limit(1));
    let shed: LoadShed<_, _> = LoadShed::builder(limit.deadline().build().unwrap()).max_queue(1).build().unwrap();
    let server = guard((drain.clone(), shed.clone())).http().layer(drain.readiness());
    let hangs = service_fn(|_: Request<String>| pending::<Result<Response<String>, Infallible>>());
    let mut calls: Vec<_> =
        // Of one task, so that none takes another's place.
        (0..3)
            .map(|_| {
                let mut request = get("/");
                request.set_task(TaskKey::of("one"));
                Box::pin(shed.clone().layer().http().layer(hangs).oneshot(request))
            })
            .collect();
    let answered = calls.iter_mut().filter_map(|call| call.as_mut().now_or_never()).count();
    assert_eq!(answered, 1, "one is in flight, one waits, and one is shed");
    // Then readiness is told, before and after
    assert_eq!(server.clone().oneshot(get("/readyz")).await.unwrap().status(), 200);
    drop(drain.begin());
    let response = server.oneshot(get("/readyz")).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(rejection(&response).is_none(), "it is the answer of readiness");
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_service_that_is_never_ready_is_told() {
    let drain = plain();
    let mut service = drain.clone().layer().layer(NeverReady { ready: false });
    let waiting = tokio::spawn(async move { service.ready().await?.call(()).await });
    settle().await;
    assert!(!waiting.is_finished());
    drain.begin().await;
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).map(Rejected::why), Some(Why::Draining));
}

#[tokio::test(start_paused = true)]
async fn observers_hear_of_each_state_in_order() {
    let drain = Drain::builder("heard-of").grace(GRACE).exempt_nobody().build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let subscription = observe(move |event: &cofferdam::Event| {
        if let What::StateChanged { from, to, .. } = event.what
            && event.by.as_str() == "heard-of"
        {
            writes.lock().unwrap().push((from, to));
        }
    });
    let held = drain.hold().unwrap();
    drop(drain.begin());
    assert!(drain.resume());
    let report = awaited(&drain);
    sleep(GRACE).await;
    settle().await;
    drop(held);
    report.await.unwrap();
    drop(subscription);
    let expected = [
        ("ready", "leaving"),
        ("leaving", "ready"),
        ("ready", "leaving"),
        ("leaving", "draining"),
        ("draining", "drained"),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn operators_drain_and_resume_by_name() {
    let drain = drain();
    let control: &dyn Control = &drain;
    assert_eq!((control.name().as_str(), control.state().as_str()), ("server", "ready, 0 in flight"));
    let settings: Vec<_> = control.settings().into_iter().map(|setting| (setting.name, setting.value)).collect();
    assert_eq!(settings, [("grace", "5s".into()), ("deadline", "30s".into())]);
    control.configure("grace", "0s").unwrap();
    assert_eq!(control.configure("deadline", "0s").unwrap_err().field(), "deadline");
    let held = drain.hold().unwrap();
    control.force("drained").unwrap();
    assert_eq!(control.state(), "draining, 1 in flight");
    control.force("ready").unwrap();
    control.force("drained").unwrap();
    assert_eq!(drain.finished().await.cut, 1);
    assert!(control.force("ready").is_err());
    assert!(control.force("sideways").is_err());
    drop(held);
}

#[test]
fn settings_that_cannot_be_are_refused_by_name() {
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    for (builder, field) in [
        (builder().grace(century + Duration::from_nanos(1)), "grace"),
        (builder().grace(Duration::MAX), "grace"),
        (builder().deadline(Duration::ZERO), "deadline"),
        (builder().deadline(Duration::MAX), "deadline"),
    ] {
        assert_eq!(builder.build().unwrap_err().field(), field);
    }
    assert_eq!(Drain::builder("").build().unwrap_err().field(), "name");
    let drain = builder().grace(century).deadline(century).build().unwrap();
    drop(drain.begin());
    assert_eq!(drain.state(), DrainState::Leaving);
}

/// A hundred calls a second of 200 ms each, and a drain begins at the twentieth second.
#[tokio::test(start_paused = true)]
async fn s8_a_drain_loses_no_call() {
    let drain = drain();
    let server = drain.clone().layer().http().layer(service_fn(|_: Request<String>| async {
        sleep(Duration::from_millis(100)).await;
        let (feed, body) = fed();
        tokio::spawn(async move {
            sleep(Duration::from_millis(100)).await;
            let _ = feed.send(Bytes::from("whole"));
        });
        Ok::<_, Infallible>(Response::new(body))
    }));
    let start = Instant::now();
    let mut calls = Vec::new();
    let mut report = None;
    while Instant::now().since(start) < Duration::from_secs(40) {
        if Instant::now().since(start) == Duration::from_secs(20) {
            report = Some(awaited(&drain));
        }
        let (at, call) = (Instant::now().since(start), server.clone().oneshot(get("/")));
        calls.push(tokio::spawn(async move {
            let response = call.await.unwrap();
            let (status, hint) = (response.status().as_u16(), response.headers().get("connection").cloned());
            let body = response.into_body().collect().await.map(|body| body.to_bytes());
            (at, status, hint, body.is_ok_and(|body| body == "whole"))
        }));
        sleep(Duration::from_millis(10)).await;
    }
    let (mut served, mut sent_elsewhere) = (0, 0);
    for call in calls {
        let (at, status, hint, whole) = call.await.unwrap();
        if at < Duration::from_secs(25) {
            assert!(status == 200 && whole, "{at:?}: {status}");
            served += 1;
        } else {
            assert_eq!((status, hint), (503, Some("close".parse().unwrap())), "{at:?}");
            sent_elsewhere += 1;
        }
    }
    let report = report.unwrap().await.unwrap();
    assert_eq!((served, sent_elsewhere), (2500, 1500));
    assert_eq!((report.ended, report.cut), (20, 0));
}
