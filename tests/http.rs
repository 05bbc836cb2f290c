//! HTTP without sockets: how heads and bodies are read, when a call ends, and how a rejection is worded.
#![allow(missing_docs)]
#![cfg(feature = "http")]

mod support;

use std::{
    cell::Cell,
    collections::VecDeque,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    BoxError, BreakerState, Bulkhead, CircuitBreaker, Http, Outcome, Policy, Rejected, Why, breaker::Counts, guard,
    http::Tracked, rejection,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use support::{Broken, Does, Log, Recording, poll, settled};
use tower::{Layer, ServiceExt, service_fn};

/// What a hand-made body does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Data,
    Trailers,
    Error,
    Panic,
    Pending,
}

/// A body made by hand: neither `Clone` nor `Sync`.
struct HandMade {
    steps: VecDeque<Step>,
    /// Whether it says so when its last frame has been taken. Not all bodies do.
    knows_its_end: bool,
    not_sync: PhantomData<Cell<u8>>,
}

impl HandMade {
    fn new(steps: &[Step]) -> Self {
        Self { steps: steps.iter().copied().collect(), knows_its_end: false, not_sync: PhantomData }
    }

    fn that_knows_its_end(steps: &[Step]) -> Self {
        Self { knows_its_end: true, ..Self::new(steps) }
    }
}

impl Body for HandMade {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"data"))))),
            Some(Step::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new())))),
            Some(Step::Error) => Poll::Ready(Some(Err(Broken))),
            Some(Step::Panic) => panic!("the body's own"),
            Some(Step::Pending) => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        let data = self.steps.iter().filter(|step| matches!(step, Step::Data)).count();
        SizeHint::with_exact(4 * data as u64)
    }
}

/// One response with that body, through a policy that writes down what it is told.
fn through<W, C>(
    protocol: Http<W, C>,
    log: &Log,
    status: u16,
    body: HandMade,
) -> Response<impl Body<Data = Bytes, Error = Broken>>
where
    Http<W, C>:
        cofferdam::Protocol<Response<HandMade>, Broken, Guarded<Recording> = Response<Tracked<HandMade, Recording>>>,
{
    let mut response = Some(Response::builder().status(status).body(body).unwrap());
    let service = service_fn(move |(): ()| std::future::ready(Ok::<_, Broken>(response.take().unwrap())));
    let layer = Recording::new("call", Does::Admit, log).layer().protocol(protocol);
    settled(layer.layer(service).oneshot(())).unwrap()
}

/// Takes that many frames, and says whether there was an error among them.
fn take<B: Body>(mut body: Pin<&mut B>, frames: usize) -> bool {
    (0..frames).any(|_| matches!(settled(body.frame()), Some(Err(_))))
}

#[test]
fn defect_215_what_a_status_means_to_a_breaker() {
    // (status, what was counted: calls and failures among them)
    let cases = [
        (200, (1, 0)),
        (204, (1, 0)),
        (301, (1, 0)),
        (400, (1, 0)),
        (404, (1, 0)),
        (429, (1, 1)),
        (500, (1, 1)),
        (502, (1, 1)),
        (503, (1, 1)),
        (504, (1, 1)),
        (599, (1, 1)),
    ];
    for (status, (calls, failures)) in cases {
        let breaker = CircuitBreaker::builder("statuses").build().unwrap();
        let answer = move |(): ()| async move {
            Ok::<_, Broken>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
        };
        let service = breaker.clone().layer().http().layer(service_fn(answer));
        assert_eq!(settled(service.oneshot(())).unwrap().status().as_u16(), status);
        let Counts { calls: counted, failures: failed, .. } = breaker.counts();
        assert_eq!((counted, failed), (calls, failures), "{status}");
    }

    // What policies are told: overload is not failure
    let log = Log::default();
    for (status, outcome) in
        [(200, "Success"), (404, "Success"), (429, "Overload"), (500, "Failure"), (503, "Overload")]
    {
        drop(through(Http::new(), &log, status, HandMade::that_knows_its_end(&[])));
        assert_eq!(log.take(), format!("call, call {outcome}"), "{status}");
    }

    // And an error of the service is a failure in any case.
    let layer = Recording::new("call", Does::Admit, &log).layer().http();
    let service = layer.layer(service_fn(|(): ()| async { Err::<Response<Full<Bytes>>, _>(Broken) }));
    assert!(settled(service.oneshot(())).is_err());
    assert_eq!(log.take(), "call, call Failure");
}

#[test]
fn defect_215_500s_trip_a_breaker_and_404s_do_not() {
    for (status, state) in [(500, BreakerState::Open), (404, BreakerState::Closed)] {
        let breaker = CircuitBreaker::builder("statuses").build().unwrap();
        let answer = move |(): ()| async move {
            Ok::<_, Broken>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
        };
        let service = breaker.clone().layer().http().layer(service_fn(answer));
        for _ in 0..10 {
            drop(settled(service.clone().oneshot(())));
        }
        assert_eq!(breaker.state(), state, "{status}");
    }
}

#[test]
fn a_status_means_what_you_say() {
    // Given a classification of one's own, by status and headers
    let by = |status: StatusCode, headers: &HeaderMap| match status.as_u16() {
        501 => Outcome::Success,
        200 if headers.contains_key("x-error") => Outcome::Failure,
        404 => Outcome::Overload,
        418 => Outcome::Ignored,
        500.. => Outcome::Failure,
        _ => Outcome::Success,
    };
    let log = Log::default();
    for (status, outcome) in [(501, "Success"), (404, "Overload"), (418, "Ignored"), (503, "Failure"), (200, "Success")]
    {
        drop(through(Http::new().classify(by), &log, status, HandMade::that_knows_its_end(&[])));
        assert_eq!(log.take(), format!("call, call {outcome}"), "{status}");
    }
    let layer = Recording::new("call", Does::Admit, &log).layer().protocol(Http::new().classify(by));
    let service = layer.layer(service_fn(|(): ()| async {
        Ok::<_, Broken>(Response::builder().header("x-error", "1").body(Full::<Bytes>::default()).unwrap())
    }));
    drop(settled(service.oneshot(())));
    assert_eq!(log.take(), "call, call Failure");
}

#[test]
fn defect_217_a_call_ends_with_its_body_and_as_its_body_ends() {
    use Step::{Data, Error, Pending, Trailers};
    let log = Log::default();
    let bodies = || {
        [
            // (what it is, frames to take before its end is known, what the end is)
            ("nothing, said so", HandMade::that_knows_its_end(&[]), 0, "Success"),
            ("nothing, not said so", HandMade::new(&[]), 1, "Success"),
            ("data", HandMade::new(&[Data, Data]), 3, "Success"),
            ("data that knows its end", HandMade::that_knows_its_end(&[Data, Data]), 2, "Success"),
            ("data and trailers", HandMade::new(&[Data, Trailers]), 2, "Success"),
            ("trailers only", HandMade::that_knows_its_end(&[Trailers]), 1, "Success"),
            ("an error", HandMade::new(&[Error]), 1, "Failure"),
            ("data and an error", HandMade::new(&[Data, Error, Data]), 2, "Failure"),
            ("an error at a known end", HandMade::that_knows_its_end(&[Data, Error]), 2, "Failure"),
        ]
    };
    for (what, body, frames, end) in bodies() {
        // Given a head with that body
        let response = through(Http::new(), &log, 200, body);
        let mut body = pin!(response.into_body());
        for _ in 0..frames {
            // Then the call goes on while there is more to come
            assert_eq!(log.take().matches("call ").count(), 0, "{what}: ended too early");
            take(body.as_mut(), 1);
        }
        // And ends once, with the last frame and not after it
        assert!(log.take().ends_with(&format!("call {end}")), "{what}");
        take(body.as_mut(), 2);
        assert_eq!(log.take(), "", "{what}: ended twice");
    }
    assert_eq!(log.take(), "");

    // A body that has nothing yet has not ended.
    let mut body = pin!(through(Http::new(), &log, 200, HandMade::new(&[Pending, Data])).into_body());
    assert!(poll(pin!(body.frame())).is_pending());
    assert_eq!(log.take(), "call");
}

#[test]
fn defect_217_a_body_that_is_dropped() {
    use Step::{Data, Pending};
    let log = Log::default();
    let body = || HandMade::new(&[Data, Pending, Data]);
    for frames in 0..=1 {
        // A caller who has begun to read has left; one who has not wants no more than the status
        let good = ["Success", "Abandoned"][frames];
        // (status, what the end is if nobody reads the rest)
        for (status, end) in [(200, good), (404, good), (503, "Overload"), (429, "Overload"), (500, "Failure")] {
            let mut dropped = Box::pin(through(Http::new(), &log, status, body()).into_body());
            take(dropped.as_mut(), frames);
            assert_eq!(log.take(), "call");
            drop(dropped);
            assert_eq!(log.take(), format!("call {end}"), "{status} after {frames} frames");
        }
    }

    // A thousand callers who leave in the middle of a good answer do not trip a breaker
    let breaker = CircuitBreaker::builder("leavers").build().unwrap();
    let service = breaker
        .clone()
        .layer()
        .http()
        .layer(service_fn(move |(): ()| async move { Ok::<_, Broken>(Response::new(body())) }));
    for _ in 0..1000 {
        let mut left = Box::pin(settled(service.clone().oneshot(())).unwrap().into_body());
        take(left.as_mut(), 1);
    }
    assert_eq!((breaker.state(), breaker.counts().calls), (BreakerState::Closed, 0));
}

#[test]
fn whoever_looks_at_the_status_only_closes_a_breaker_again() {
    // Given a breaker that is open, and callers who never read a body
    let breaker = CircuitBreaker::builder("status")
        .consecutive_failures(1)
        .open_time(std::time::Duration::from_nanos(1))
        .probes(1)
        .ramp(None)
        .build()
        .unwrap();
    let status = std::cell::Cell::new(500);
    let body = || HandMade::new(&[Step::Data, Step::Data]);
    let service = breaker.clone().layer().http().layer(service_fn(|(): ()| {
        let response = Response::builder().status(status.get()).body(body()).unwrap();
        async move { Ok::<_, Broken>(response) }
    }));
    drop(settled(service.clone().oneshot(())).unwrap());
    assert_ne!(breaker.state(), BreakerState::Closed);

    // When the service is well again, then they notice
    status.set(200);
    while breaker.state() != BreakerState::Closed {
        drop(settled(service.clone().oneshot(())).unwrap());
    }
}

#[test]
fn defect_28_a_panic_in_a_body_is_one_failure() {
    let (log, slots) = (Log::default(), Bulkhead::builder("panics").limit(1).build().unwrap());
    let layer = guard((Recording::new("call", Does::Admit, &log), slots.clone())).http();
    let service = layer.layer(service_fn(|(): ()| async {
        Ok::<_, Broken>(Response::new(HandMade::new(&[Step::Data, Step::Panic, Step::Data])))
    }));
    let mut body = Box::pin(settled(service.oneshot(())).unwrap().into_body());
    assert!(!take(body.as_mut(), 1));

    // When a caller catches the panic and keeps the body
    assert!(catch_unwind(AssertUnwindSafe(|| take(body.as_mut(), 1))).is_err());

    // Then the call has ended as a failure, and does not end again
    assert_eq!((log.take().as_str(), slots.in_flight()), ("call, call Failure", 0));
    take(body.as_mut(), 2);
    drop(body);
    assert_eq!((log.take().as_str(), slots.in_flight()), ("", 0));
}

#[test]
fn defect_72_a_slot_is_held_to_the_end_of_the_body_or_to_the_head() {
    let body = || HandMade::new(&[Step::Data, Step::Data]);
    let slots = Bulkhead::builder("scope").limit(1).build().unwrap();
    let answer = move |(): ()| async move { Ok::<_, Broken>(Response::new(body())) };

    // To the end of the body by default
    let service = slots.clone().layer().http().layer(service_fn(answer));
    let mut first = Box::pin(settled(service.clone().oneshot(())).unwrap().into_body());
    take(first.as_mut(), 1);
    let second = settled(service.clone().oneshot(())).unwrap();
    assert_eq!(rejection(&second).unwrap().why(), Why::Full);
    take(first.as_mut(), 2);
    assert_eq!(slots.in_flight(), 0);

    // To the head by choice, and then what becomes of the body counts nothing
    let log = Log::default();
    let mut broken = Box::pin(through(Http::new().until_head(), &log, 200, HandMade::new(&[Step::Error])).into_body());
    assert_eq!(log.take(), "call, call Success");
    assert!(take(broken.as_mut(), 1));
    assert_eq!(log.take(), "");
    let service = slots.clone().layer().protocol(Http::new().until_head()).layer(service_fn(answer));
    let streaming: Vec<_> = (0..10).map(|_| settled(service.clone().oneshot(())).unwrap()).collect();
    assert!(streaming.iter().all(|response| rejection(response).is_none()));
    assert_eq!(slots.in_flight(), 0);
}

#[test]
fn a_body_stays_what_it_is() {
    // Given a body that is neither Clone nor Sync, through three guards
    let slots = Bulkhead::builder("whole").build().unwrap();
    let service = slots.clone().layer().http().layer(slots.clone().layer().http().layer(
        slots.clone().layer().http().layer(service_fn(|_: Request<Cell<u8>>| async {
            Ok::<_, Broken>(
                Response::builder()
                    .status(206)
                    .header("x-own", "1")
                    .body(HandMade::that_knows_its_end(&[Step::Data, Step::Data, Step::Trailers]))
                    .unwrap(),
            )
        })),
    ));
    let response = settled(service.oneshot(Request::new(Cell::new(0)))).unwrap();

    // Then head, sizes and frames arrive as they were sent
    assert_eq!((response.status().as_u16(), &response.headers()["x-own"]), (206, &HeaderValue::from_static("1")));
    assert_eq!(response.body().size_hint().exact(), Some(8));
    assert!(!response.body().is_end_stream());
    assert_eq!(slots.in_flight(), 3);
    let collected = settled(response.into_body().collect()).unwrap();
    assert!(collected.trailers().is_some());
    assert_eq!(collected.to_bytes(), "datadata");
    assert_eq!(slots.in_flight(), 0);

    // And the future and the body may go to another thread, as the parts may.
    fn is_send<T: Send>(_: &T) {}
    let sent = slots
        .layer()
        .http()
        .layer(service_fn(|(): ()| async { Ok::<_, Broken>(Response::new(Full::<Bytes>::default())) }));
    let call = sent.oneshot(());
    is_send(&call);
    is_send(&settled(call).unwrap());
}

#[cfg(feature = "test-util")]
#[tokio::test(start_paused = true)]
async fn a_slow_body_is_not_a_slow_call_but_a_slow_head_is() {
    use tokio::time::advance;

    // Given a breaker to whom a second is slow
    let breaker = CircuitBreaker::builder("slow")
        .slow_calls(Duration::from_secs(1), 1.0)
        .window(Duration::from_secs(3600))
        .build()
        .unwrap();
    let service = |head: Duration| {
        breaker.clone().layer().http().layer(service_fn(move |(): ()| async move {
            tokio::time::sleep(head).await;
            Ok::<_, Broken>(Response::new(HandMade::new(&[Step::Data])))
        }))
    };

    // When the head is there at once and the body takes a minute
    let body = service(Duration::ZERO).oneshot(()).await.unwrap().into_body();
    advance(Duration::from_secs(60)).await;
    assert!(body.collect().await.is_ok());
    assert_eq!((breaker.counts().calls, breaker.counts().slow), (1, 0));

    // And when somebody lets go of it after that minute, who wanted no more than the status
    let body = service(Duration::ZERO).oneshot(()).await.unwrap().into_body();
    advance(Duration::from_secs(60)).await;
    drop(body);
    assert_eq!((breaker.counts().calls, breaker.counts().slow), (2, 0));

    // And when the head takes that second
    let body = service(Duration::from_secs(1)).oneshot(()).await.unwrap().into_body();
    assert!(body.collect().await.is_ok());
    assert_eq!((breaker.counts().calls, breaker.counts().slow), (3, 1));
}

/// An answer of a service that is not reached.
async fn unreached(_: ()) -> Result<Response<Full<Bytes>>, BoxError> {
    unreachable!("rejected calls are not made")
}

#[test]
fn a_rejection_is_a_problem_that_names_nobody() {
    // Given a breaker that is open for a known time, one that is forced, and a full bulkhead
    let opened = CircuitBreaker::builder("secret-dependency")
        .consecutive_failures(1)
        .open_time(Duration::from_millis(2500))
        .open_time_jitter(0.0)
        .build()
        .unwrap();
    let failing = opened.clone().layer();
    drop(settled(failing.call(&(), || async { Err::<(), _>(Broken) })));
    let forced = CircuitBreaker::builder("secret-dependency").build().unwrap();
    forced.force_open();
    let full = Bulkhead::builder("secret-dependency").limit(1).build().unwrap();
    let holding = full.clone().layer();
    let _held = holding.call(&(), std::future::pending::<Result<(), Broken>>);

    let cases = [
        (
            settled(opened.layer().http().layer(service_fn(unreached)).oneshot(())).map(BoxedAny::boxed_any),
            Why::Open,
            Some(3),
        ),
        (
            settled(forced.layer().http().layer(service_fn(unreached)).oneshot(())).map(BoxedAny::boxed_any),
            Why::Open,
            None,
        ),
        (
            settled(full.layer().http().layer(service_fn(unreached)).oneshot(())).map(BoxedAny::boxed_any),
            Why::Full,
            None,
        ),
    ];
    for (response, why, retry_after) in cases {
        let response = response.unwrap();
        // Then it is a 503, with the time after which to try again rounded up to whole seconds if it is known
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let asked =
            response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
        assert_eq!(asked, retry_after, "{why:?}");

        // Whoever is in the same process finds the rejection itself
        let rejected = *rejection(&response).unwrap();
        assert_eq!((rejected.by().as_str(), rejected.why()), ("secret-dependency", why));

        // And whoever is not gets a problem that says what happened and not to whom
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(!response.body().is_end_stream());
        let size = response.body().size_hint().exact();
        let body = settled(response.into_body().collect()).unwrap().to_bytes();
        assert_eq!(size, Some(body.len() as u64));
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(problem["status"], 503);
        assert_eq!(problem["title"], "Service Unavailable");
        assert_eq!(problem["detail"], why.as_str());
    }
}

/// Bodies of different types in one table.
trait BoxedAny {
    fn boxed_any(self) -> Response<http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>>;
}

impl<B> BoxedAny for Response<B>
where
    B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + 'static,
{
    fn boxed_any(self) -> Response<http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError>> {
        self.map(|body| body.map_err(|never| match never {}).boxed_unsync())
    }
}

#[test]
fn a_rejection_is_worded_as_you_say() {
    // Given a wording of one's own
    let forced = CircuitBreaker::builder("worded").build().unwrap();
    forced.force_open();
    let wording = |rejected: &Rejected| {
        let mut response = Response::new(Bytes::from(format!("busy: {}", rejected.why())));
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response
    };
    let layer = forced.clone().layer().protocol(Http::new().wording(wording));
    let response = settled(layer.layer(service_fn(unreached)).oneshot(())).unwrap();

    // Then that is the answer, and the rejection is in it all the same
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rejection(&response).unwrap().by().as_str(), "worded");
    assert_eq!(settled(response.into_body().collect()).unwrap().to_bytes(), "busy: the circuit is open");

    // An empty one is a body that has ended
    let layer = forced.clone().layer().protocol(Http::new().wording(|_: &Rejected| Response::new(Bytes::new())));
    assert!(settled(layer.layer(service_fn(unreached)).oneshot(())).unwrap().body().is_end_stream());

    // And where errors are preferred, it is an error, which guards further out know for what it is
    let outer = CircuitBreaker::builder("outer").build().unwrap();
    let inner = forced.layer().protocol(Http::new().errors()).layer(service_fn(unreached));
    let service = outer.clone().layer().protocol(Http::new().errors()).layer(inner);
    let error = settled(service.oneshot(())).map(drop).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "worded");
    assert_eq!(outer.counts().calls, 0);
}

#[test]
fn a_rejection_further_in_says_nothing_about_the_dependency() {
    // Given a breaker around another guard, which rejects with a 503
    let log = Log::default();
    let full = Recording::new("inner", Does::Reject, &log).layer().http().layer(service_fn(unreached));
    let service = Recording::new("outer", Does::Admit, &log).layer().http().layer(full);
    let response = settled(service.oneshot(())).unwrap();

    // Then it is ignored, whether its body is read or not
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(log.take(), "outer, inner rejects");
    drop(response);
    assert_eq!(log.take(), "outer Ignored");
}

#[cfg(feature = "test-util")]
mod asked {
    use super::*;
    use tokio::time::advance;

    /// A breaker that opens at the first failure for a second, and at most for ten.
    fn breaker() -> CircuitBreaker {
        CircuitBreaker::builder("asked")
            .consecutive_failures(1)
            .open_time(Duration::from_secs(1))
            .open_time_max(Duration::from_secs(10))
            .open_time_jitter(0.0)
            .build()
            .unwrap()
    }

    /// How long a breaker stays open after an answer with that status and that header.
    async fn open_for(status: u16, retry_after: Option<String>) -> Duration {
        let breaker = breaker();
        let layer = breaker.clone().layer().http();
        let service = layer.layer(service_fn(move |(): ()| {
            let mut response = Response::builder().status(status);
            if let Some(text) = &retry_after {
                response = response.header(header::RETRY_AFTER, text);
            }
            let response = response.body(Full::<Bytes>::default()).unwrap();
            async { Ok::<_, Broken>(response) }
        }));
        drop(service.clone().oneshot(()).await.unwrap());
        assert_eq!(breaker.state(), BreakerState::Open);
        let rejected = service.clone().oneshot(()).await.unwrap();
        let after = rejection(&rejected).unwrap().retry_after().unwrap();

        // It is open until then and no longer
        advance(after - Duration::from_millis(1)).await;
        assert!(rejection(&service.clone().oneshot(()).await.unwrap()).is_some());
        advance(Duration::from_millis(1)).await;
        assert!(rejection(&service.oneshot(()).await.unwrap()).is_none());
        after
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_asks_to_be_left_alone_is_left_alone_up_to_the_cap() {
        let secs = Duration::from_secs;
        // In seconds: longer than the open time, shorter, and longer than the cap
        assert_eq!(open_for(503, Some("5".into())).await, secs(5));
        assert_eq!(open_for(429, Some("5".into())).await, secs(5));
        assert_eq!(open_for(500, Some("5".into())).await, secs(5));
        assert_eq!(open_for(503, Some("0".into())).await, secs(1));
        assert_eq!(open_for(503, Some("86400".into())).await, secs(10));
        assert_eq!(open_for(503, Some("99999999999999999999999999".into())).await, secs(10));

        // What is not understood is not asked
        for text in ["soon", "-1", "1.5", ""] {
            assert_eq!(open_for(503, Some(text.into())).await, secs(1), "{text:?}");
        }
        assert_eq!(open_for(503, None).await, secs(1));
    }

    #[tokio::test(start_paused = true)]
    #[allow(clippy::disallowed_methods)] // a date is compared with the calendar
    async fn the_same_as_a_date() {
        // A date has whole seconds, so a little less than the five may be left of it
        let date = |secs| httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(secs));
        let after = open_for(503, Some(date(5))).await;
        assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&after), "{after:?}");
        assert_eq!(open_for(503, Some(date(86_400))).await, Duration::from_secs(10));

        // One that has passed asks for nothing
        assert_eq!(open_for(503, Some("Sun, 06 Nov 1994 08:49:37 GMT".into())).await, Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_good_answer_asks_for_is_not_meant_for_a_breaker() {
        // Given a 200 that asks to be polled again in five seconds, and then a failure
        let breaker = breaker();
        let layer = breaker.clone().layer().http();
        let service = layer.layer(service_fn(|status: u16| async move {
            let response = Response::builder().status(status);
            let response = if status == 200 { response.header(header::RETRY_AFTER, "5") } else { response };
            Ok::<_, Broken>(response.body(Full::<Bytes>::default()).unwrap())
        }));
        drop(service.clone().oneshot(200).await);
        drop(service.clone().oneshot(500).await);

        // Then the breaker is open for its own time
        let rejected = service.oneshot(200).await.unwrap();
        assert_eq!(rejection(&rejected).unwrap().retry_after(), Some(Duration::from_secs(1)));
    }
}
