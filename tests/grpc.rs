//! gRPC without sockets: where a status is found and what it means, when a call ends, and how a rejection is worded.
#![allow(missing_docs)]
#![cfg(feature = "grpc")]

mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    Admit, BoxError, Bulkhead, Cause, Degraded, Ended, Fallback, Grpc, Immediate, Instant, Name, Outcome, Policy,
    Protocol, Rejected, Why,
    grpc::{ByCode, ClassifyStatus, Code, trailers_only},
    guard, rejection,
};
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use support::{Broken, Does, Log, Recording, settled};
use tower::{Layer, Service, ServiceExt, service_fn};

type Boxed = UnsyncBoxBody<Bytes, Broken>;

/// What a body does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Message,
    /// Trailers with that status, and with that pushback.
    Status(&'static str, Option<&'static str>),
    /// Trailers without a status.
    Trailers,
    Error,
    Panic,
}

use Step::{Error, Message, Panic, Status, Trailers};

fn metadata(status: &'static str, pushback: Option<&'static str>) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    metadata.insert("grpc-status", HeaderValue::from_static(status));
    if let Some(pushback) = pushback {
        metadata.insert("grpc-retry-pushback-ms", HeaderValue::from_static(pushback));
    }
    metadata
}

/// A body that does this, and does not know its end before it is asked once more.
fn body(steps: &'static [Step]) -> Boxed {
    let frames = steps.iter().map(|step| match *step {
        Message => Ok(Frame::data(Bytes::from_static(b"\0\0\0\0\0"))),
        Status(status, pushback) => Ok(Frame::trailers(metadata(status, pushback))),
        Trailers => Ok(Frame::trailers(HeaderMap::new())),
        Error => Err(Broken),
        Panic => panic!("the body's own"),
    });
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// A body that knows that there is nothing in it.
fn nothing() -> Boxed {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn answer(head: HeaderMap, body: Boxed) -> Response<Boxed> {
    let mut response = Response::new(body);
    *response.headers_mut() = head;
    response
}

/// A service that answers once.
fn once(response: Response<Boxed>) -> impl Service<(), Response = Response<Boxed>, Error = Broken> {
    let mut response = Some(response);
    service_fn(move |()| std::future::ready(Ok(response.take().unwrap())))
}

/// That answer, through a policy that writes down what it is told.
fn through(log: &Log, response: Response<Boxed>) -> Response<impl Body<Data = Bytes, Error = Broken>> {
    let layer = Recording::new("call", Does::Admit, log).layer().grpc();
    settled(layer.layer(once(response)).oneshot(())).unwrap()
}

/// Takes that many frames, and says whether there was an error among them.
fn take<B: Body>(mut body: Pin<&mut B>, frames: usize) -> bool {
    (0..frames).any(|_| matches!(settled(body.frame()), Some(Err(_))))
}

#[test]
fn defect_216_a_status_means_the_same_in_the_head_and_in_the_trailers() {
    let cases = [
        ("0", None, "Success"),
        ("1", None, "Ignored"),
        ("2", None, "Failure"),
        ("3", None, "Success"),
        ("4", None, "Failure"),
        ("5", None, "Success"),
        ("6", None, "Success"),
        ("7", None, "Success"),
        ("8", None, "Overload"),
        ("9", None, "Success"),
        ("10", None, "Success"),
        ("11", None, "Success"),
        ("12", None, "Success"),
        ("13", None, "Failure"),
        ("14", None, "Failure"),
        ("14", Some("100"), "Overload"),
        ("14", Some("0"), "Overload"),
        ("14", Some("-1"), "Failure"),
        ("14", Some("soon"), "Failure"),
        ("13", Some("100"), "Failure"),
        ("15", None, "Failure"),
        ("16", None, "Success"),
        ("17", None, "Failure"),
        ("-1", None, "Failure"),
        ("256", None, "Failure"),
        ("OK", None, "Failure"),
        ("", None, "Failure"),
    ];
    let log = Log::default();
    for (status, pushback, outcome) in cases {
        // In a head that is all there is, the call has ended when it comes
        drop(through(&log, answer(metadata(status, pushback), nothing())));
        assert_eq!(log.take(), format!("call, call {outcome}"), "{status:?} in the head, {pushback:?}");

        // In trailers it ends with them
        let steps = [Message, Status(status, pushback)].to_vec().leak();
        let mut whole = pin!(through(&log, Response::new(body(steps))).into_body());
        take(whole.as_mut(), 1);
        assert_eq!(log.take(), "call", "{status:?}");
        take(whole.as_mut(), 1);
        assert_eq!(log.take(), format!("call {outcome}"), "{status:?} in the trailers, {pushback:?}");
    }
}

#[test]
fn defect_216_an_answer_without_a_status_is_a_failure() {
    let log = Log::default();
    // (what it is, the answer, frames to take before its end is known)
    let cases = [
        ("a head and nothing else", Response::new(nothing()), 0),
        ("a body without an end", Response::new(body(&[])), 1),
        ("messages and no trailers", Response::new(body(&[Message, Message])), 3),
        ("trailers that say nothing", Response::new(body(&[Message, Trailers])), 2),
        (
            "a body that knows its end",
            Response::new(Full::new(Bytes::from_static(b"x")).map_err(|never| match never {}).boxed_unsync()),
            1,
        ),
    ];
    for (what, response, frames) in cases {
        let mut whole = pin!(through(&log, response).into_body());
        let soon = frames.max(1) - 1;
        take(whole.as_mut(), soon);
        assert_eq!(log.take(), if frames == 0 { "call, call Failure" } else { "call" }, "{what}");
        take(whole.as_mut(), frames - soon);
        assert_eq!(log.take(), if frames == 0 { "" } else { "call Failure" }, "{what}");
    }
}

#[test]
fn defect_216_what_is_no_grpc_answer_is_a_failure_unless_it_has_a_status() {
    let log = Log::default();
    for status in [100, 204, 301, 404, 429, 500, 502, 503] {
        let mut response = Response::new(body(&[Message]));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        drop(through(&log, response));
        assert_eq!(log.take(), "call, call Failure", "{status}");
    }
    let mut response = answer(metadata("5", None), nothing());
    *response.status_mut() = http::StatusCode::NOT_FOUND;
    drop(through(&log, response));
    assert_eq!(log.take(), "call, call Success");
}

#[test]
fn defect_217_a_call_ends_with_its_body_and_as_its_body_ends() {
    let log = Log::default();
    // (the body, frames to take before its end is known, what the end is)
    let cases: [(&'static [Step], usize, &str); 6] = [
        (&[Status("0", None)], 1, "Success"),
        (&[Message, Message, Message, Status("0", None)], 4, "Success"),
        (&[Message, Message, Message, Status("13", None)], 4, "Failure"),
        (&[Error], 1, "Failure"),
        (&[Message, Error, Status("0", None)], 2, "Failure"),
        (&[Message], 2, "Failure"),
    ];
    for (steps, frames, end) in cases {
        let mut whole = pin!(through(&log, Response::new(body(steps))).into_body());
        assert_eq!(log.take(), "call");
        take(whole.as_mut(), frames - 1);
        assert_eq!(log.take(), "", "{steps:?}: ended too early");
        take(whole.as_mut(), 1);
        assert_eq!(log.take(), format!("call {end}"), "{steps:?}");
        // And it does not end again
        take(whole.as_mut(), 2);
        assert_eq!(log.take(), "", "{steps:?}: ended twice");
    }
}

#[test]
fn defect_217_a_body_that_is_dropped() {
    let log = Log::default();
    let long: &'static [Step] = &[Message, Message, Status("0", None)];
    for frames in 0..=2 {
        // A good stream that nobody follows to its end is abandoned
        let mut dropped = Box::pin(through(&log, Response::new(body(long))).into_body());
        take(dropped.as_mut(), frames);
        drop(dropped);
        assert_eq!(log.take(), "call, call Abandoned", "after {frames} frames");

        // A head that has the status has said it all, whatever hides behind it
        for (status, end) in [("0", "Success"), ("1", "Ignored"), ("8", "Overload"), ("13", "Failure")] {
            let mut dropped = Box::pin(through(&log, answer(metadata(status, None), body(long))).into_body());
            take(dropped.as_mut(), frames);
            drop(dropped);
            assert_eq!(log.take(), format!("call, call {end}"), "{status} after {frames} frames");
        }
    }

    // A head that was bad stays so if the body breaks off, and if trailers say otherwise
    for steps in [&[Error] as &[Step], &[Status("0", None)]] {
        take(pin!(through(&log, answer(metadata("8", None), body(steps))).into_body()), 1);
        assert_eq!(log.take(), "call, call Overload");
    }
}

#[test]
fn defect_72_a_stream_holds_its_slot_to_its_end() {
    let slots = Bulkhead::builder("streams").limit(1).build().unwrap();
    let service =
        slots.clone().layer().grpc().layer(service_fn(|()| async {
            Ok::<_, Broken>(Response::new(body(&[Message, Message, Status("0", None)])))
        }));
    let mut first = Box::pin(settled(service.clone().oneshot(())).unwrap().into_body());
    take(first.as_mut(), 2);
    assert_eq!(rejection(&settled(service.clone().oneshot(())).unwrap()).unwrap().why(), Why::Full);
    take(first.as_mut(), 1);
    assert_eq!(slots.in_flight(), 0);

    // And no longer than its holder
    let second = settled(service.oneshot(())).unwrap();
    assert_eq!((rejection(&second), slots.in_flight()), (None, 1));
    drop(second);
    assert_eq!(slots.in_flight(), 0);
}

#[test]
fn defect_28_a_panic_in_a_body_is_one_failure() {
    let (log, slots) = (Log::default(), Bulkhead::builder("panics").limit(1).build().unwrap());
    let layer = guard((Recording::new("call", Does::Admit, &log), slots.clone())).grpc();
    let response = Response::new(body(&[Message, Panic, Status("0", None)]));
    let mut whole = Box::pin(settled(layer.layer(once(response)).oneshot(())).unwrap().into_body());
    assert!(!take(whole.as_mut(), 1));

    // When a caller catches the panic and keeps the body, the call has ended as a failure and does not end again
    assert!(catch_unwind(AssertUnwindSafe(|| take(whole.as_mut(), 1))).is_err());
    assert_eq!((log.take().as_str(), slots.in_flight()), ("call, call Failure", 0));
    take(whole.as_mut(), 2);
    drop(whole);
    assert_eq!((log.take().as_str(), slots.in_flight()), ("", 0));
}

#[test]
fn an_error_of_the_service_is_a_failure() {
    let log = Log::default();
    let layer = Recording::new("call", Does::Admit, &log).layer().grpc();
    let service = layer.layer(service_fn(|()| async { Err::<Response<Boxed>, _>(Broken) }));
    assert!(settled(service.oneshot(())).is_err());
    assert_eq!(log.take(), "call, call Failure");
}

#[test]
fn an_error_of_the_service_is_what_you_say() {
    let log = Log::default();
    let protocol = Grpc::new().classify_errors(|_: &Broken| Outcome::Ignored);
    let layer = Recording::new("call", Does::Admit, &log).layer().protocol(protocol);
    let service = layer.layer(service_fn(|()| async { Err::<Response<Boxed>, _>(Broken) }));
    assert!(settled(service.oneshot(())).is_err());
    assert_eq!(log.take(), "call, call Ignored");
}

#[test]
fn a_status_means_what_you_say() {
    // Given a classification of one's own, by status and by what comes with it
    let by = |code: Code, metadata: &HeaderMap| match code {
        Code::NotFound => Outcome::Failure,
        Code::Ok if metadata.contains_key("grpc-retry-pushback-ms") => Outcome::Overload,
        Code::Unknown => Outcome::Ignored,
        _ => ByCode.classify(code, metadata),
    };
    let log = Log::default();
    let whole = |response| {
        let layer = Recording::new("call", Does::Admit, &log).layer().protocol(Grpc::new().classify(by));
        let mut body = pin!(settled(layer.layer(once(response)).oneshot(())).unwrap().into_body());
        take(body.as_mut(), 2);
        log.take()
    };
    assert_eq!(whole(answer(metadata("5", None), nothing())), "call, call Failure");
    assert_eq!(whole(Response::new(body(&[Status("5", None)]))), "call, call Failure");
    assert_eq!(whole(Response::new(body(&[Status("0", Some("5"))]))), "call, call Overload");
    assert_eq!(whole(Response::new(body(&[Status("0", None)]))), "call, call Success");
    // An answer without a status is unknown, in the head and at the end
    assert_eq!(whole(Response::new(nothing())), "call, call Ignored");
    assert_eq!(whole(Response::new(body(&[]))), "call, call Ignored");
}

#[test]
fn a_classification_that_panics_harms_only_its_own_call() {
    let (log, slots) = (Log::default(), Bulkhead::builder("panics").limit(1).build().unwrap());
    let classify = |_: Code, _: &HeaderMap| -> Outcome { panic!("the classification's own") };
    let layer =
        guard((Recording::new("call", Does::Admit, &log), slots.clone())).protocol(Grpc::new().classify(classify));
    for response in [answer(metadata("0", None), nothing()), Response::new(body(&[Status("0", None)]))] {
        let service = layer.layer(once(response));
        let call = || take(pin!(settled(service.oneshot(())).unwrap().into_body()), 1);
        assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
        assert_eq!((log.take().as_str(), slots.in_flight()), ("call, call Abandoned", 0));
    }
}

#[test]
fn a_body_stays_what_it_is() {
    // Given an answer with messages, trailers and a header of its own, through three guards
    let slots = Bulkhead::builder("whole").build().unwrap();
    let layer = || slots.clone().layer().grpc();
    let mut response = Response::new(body(&[Message, Message, Status("0", None)]));
    response.headers_mut().insert("x-own", HeaderValue::from_static("1"));
    let service = layer().layer(layer().layer(layer().layer(once(response))));
    let response = settled(service.oneshot(())).unwrap();

    // Then all of it arrives as it was sent
    assert_eq!((response.headers()["x-own"].as_bytes(), slots.in_flight()), (&b"1"[..], 3));
    let collected = settled(response.into_body().collect()).unwrap();
    assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(collected.to_bytes().len(), 10);
    assert_eq!(slots.in_flight(), 0);
}

/// A policy that says no, always and in that way.
struct Refusing(Rejected);

impl Policy for Refusing {
    type Kind = Immediate;
    type Token = ();

    fn settle(&self, (): (), _: &Ended) {}

    fn undo(&self, (): (), _: Instant) {}
}

impl<R> Admit<R> for Refusing {
    fn admit(&self, _: &R, _: Instant) -> Result<(), Rejected> {
        Err(self.0)
    }
}

async fn unreached(_: ()) -> Result<Response<Boxed>, BoxError> {
    panic!("a rejected call was made")
}

#[test]
fn defect_145_a_rejection_is_a_status_and_nothing_else() {
    let cases = [
        (Why::Open, "14"),
        (Why::Probing, "14"),
        (Why::Ramping, "14"),
        (Why::Full, "14"),
        (Why::Refused, "14"),
        (Why::TimedOut, "4"),
        (Why::DeadlineExceeded, "4"),
        (Why::Expired, "4"),
    ];
    for (why, status) in cases {
        let plain = Rejected::new(Name::new("secret-dependency").unwrap(), why);
        for (rejected, pushback) in [
            (plain, None),
            (plain.with_retry_after(Duration::ZERO), Some("0")),
            (plain.with_retry_after(Duration::from_micros(1500)), Some("2")),
            (plain.with_retry_after(Duration::MAX), Some("4294967294")),
        ] {
            let service = Refusing(rejected).layer().grpc().layer(service_fn(unreached));
            let response = settled(service.oneshot(())).unwrap();

            // To whoever is at the other end it is a status, in words that name nobody
            assert_eq!(response.status(), http::StatusCode::OK);
            let headers = response.headers();
            assert_eq!(headers["content-type"], "application/grpc");
            assert_eq!(headers["grpc-status"], status, "{why:?}");
            assert_eq!(headers["grpc-message"], why.as_str());
            assert_eq!(headers.get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap()), pushback);
            assert_eq!(headers.len(), 3 + usize::from(pushback.is_some()));

            // That is all there is
            assert!(response.body().is_end_stream());
            assert_eq!(response.body().size_hint().exact(), Some(0));

            // And in the same process it is itself
            assert_eq!(rejection(&response), Some(&rejected));
            assert!(settled(response.into_body().frame()).is_none());
        }
    }
}

#[test]
fn a_rejection_is_worded_as_you_say() {
    let full = Refusing(Rejected::new(Name::new("worded").unwrap(), Why::Full));

    // Given a wording of one's own
    let busy = |rejected: &Rejected| trailers_only(Code::ResourceExhausted, "100 % busy", rejected.retry_after());
    let layer = full.layer().protocol(Grpc::new().wording(busy));
    let response = settled(layer.layer(service_fn(unreached)).oneshot(())).unwrap();
    assert_eq!(
        (&response.headers()["grpc-status"], &response.headers()["grpc-message"]),
        (&HeaderValue::from_static("8"), &HeaderValue::from_static("100 %25 busy"))
    );
    assert_eq!(rejection(&response).unwrap().by().as_str(), "worded");

    // And where errors are preferred, it is an error, which guards further out know for what it is
    let (log, full) = (Log::default(), Recording::new("inner", Does::Reject, &Log::default()));
    let inner = full.layer().protocol(Grpc::new().errors()).layer(service_fn(unreached));
    let outer = Recording::new("outer", Does::Admit, &log).layer().protocol(Grpc::new().errors());
    let error = settled(outer.layer(inner).oneshot(())).map(drop).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "inner");
    assert_eq!(log.take(), "outer, outer Ignored");
}

#[test]
fn a_rejection_further_in_says_nothing_about_the_dependency_but_for_a_timeout() {
    for (why, end) in [(Why::Open, "Ignored"), (Why::Full, "Ignored"), (Why::TimedOut, "Failure")] {
        let log = Log::default();
        let inner = Refusing(Rejected::new(Name::new("inner").unwrap(), why)).layer().grpc();
        let service =
            Recording::new("outer", Does::Admit, &log).layer().grpc().layer(inner.layer(service_fn(unreached)));
        drop(settled(service.oneshot(())).unwrap());
        assert_eq!(log.take(), format!("outer, outer {end}"), "{why:?}");
    }

    // Nor is it anything new that another protocol says: HTTP reads it alike
    let log = Log::default();
    let inner = Refusing(Rejected::new(Name::new("inner").unwrap(), Why::Open)).layer().grpc();
    let service = Recording::new("outer", Does::Admit, &log).layer().http().layer(inner.layer(service_fn(unreached)));
    drop(settled(service.oneshot(())).unwrap());
    assert_eq!(log.take(), "outer, outer Ignored");
}

#[test]
fn a_fallback_answers_for_a_bad_head_and_hides_nothing_from_guards() {
    let log = Log::default();
    let through = |response: Response<Boxed>| {
        let replica = service_fn(|()| async { Ok(Response::new(body(&[Message, Status("0", None)]))) });
        let fallback = Fallback::service(|(): &()| (), replica).grpc().on([Cause::Failure, Cause::Overload]);
        let layer = Recording::new("call", Does::Admit, &log).layer().grpc();
        let response = settled(layer.layer(fallback.layer(once(response))).oneshot(())).unwrap();
        let degraded = response.extensions().get::<Degraded>().map(|degraded| degraded.outcome);
        // The good status of the answer in its place changes nothing about the call.
        take(pin!(response.into_body()), 3);
        (degraded, log.take())
    };

    // What has failed in its head is answered from elsewhere; guards further out see that it failed
    let bad = through(answer(metadata("13", None), nothing()));
    assert_eq!(bad, (Some(Outcome::Failure), "call, call Failure".into()));
    let bad = through(Response::new(nothing()));
    assert_eq!(bad, (Some(Outcome::Failure), "call, call Failure".into()));
    let bad = through(answer(metadata("8", None), nothing()));
    assert_eq!(bad, (Some(Outcome::Overload), "call, call Overload".into()));

    // What is good, or not yet known to be bad, passes
    assert_eq!(through(answer(metadata("5", None), nothing())), (None, "call, call Success".into()));
    let late = through(Response::new(body(&[Message, Status("13", None)])));
    assert_eq!(late, (None, "call, call Failure".into()));
}

#[test]
fn what_is_asked_for_is_read_from_bad_answers_only() {
    for (status, asked) in [("0", None), ("5", None), ("1", None), ("8", Some(5)), ("13", Some(5)), ("14", Some(5))] {
        let response = answer(metadata(status, Some("5")), nothing());
        let reading = Protocol::<_, Broken>::read(&Grpc::new(), Ok(&response));
        assert_eq!(reading.retry_after, asked.map(Duration::from_millis), "{status}");
    }
}

#[cfg(feature = "test-util")]
mod paused {
    use super::*;
    use cofferdam::{BreakerState, CircuitBreaker, Deadline, Timeout};
    use support::poll;
    use tokio::time::advance;

    /// How long a breaker that opens for one to ten seconds stays open after that answer.
    async fn open_for(response: Response<Boxed>) -> Option<Duration> {
        let breaker = CircuitBreaker::builder("asked")
            .consecutive_failures(1)
            .open_time(Duration::from_secs(1))
            .open_time_max(Duration::from_secs(10))
            .open_time_jitter(0.0)
            .build()
            .unwrap();
        let service = breaker.clone().layer().grpc().layer(once(response));
        take(pin!(service.oneshot(()).await.unwrap().into_body()), 2);
        let after = breaker.admit(&(), Instant::now()).err()?.retry_after().unwrap();

        // It is open until then and no longer
        advance(after - Duration::from_millis(1)).await;
        assert_eq!(breaker.state(), BreakerState::Open);
        assert!(breaker.admit(&(), Instant::now()).is_err());
        advance(Duration::from_millis(1)).await;
        assert!(breaker.admit(&(), Instant::now()).is_ok());
        Some(after)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dependency_that_pushes_back_is_left_alone_up_to_the_cap() {
        // (pushback, milliseconds that the breaker is open)
        let cases = [
            ("5000", 5000),
            ("1", 1000),
            ("0", 1000),
            ("86400000", 10_000),
            ("99999999999999999999999999", 10_000),
            // What asks for no time, or is not understood, is not asked
            ("-1", 1000),
            ("5000.5", 1000),
            ("soon", 1000),
            ("", 1000),
        ];
        for (pushback, millis) in cases {
            let expected = Some(Duration::from_millis(millis));
            for status in ["14", "8", "13"] {
                let head = answer(metadata(status, Some(pushback)), nothing());
                assert_eq!(open_for(head).await, expected, "{pushback:?} in the head");
                let steps = [Message, Status(status, Some(pushback))].to_vec().leak();
                let trailers = Response::new(body(steps));
                assert_eq!(open_for(trailers).await, expected, "{pushback:?} in the trailers");
            }
        }
        // What a good answer asks for is not meant for a breaker
        assert_eq!(open_for(answer(metadata("0", Some("5000")), nothing())).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn defect_145_an_answer_that_time_cuts_off_ends_with_a_status() {
        // Given a stream that stalls after its first message, and another that outlives the deadline
        let second = Duration::from_secs(1);
        let stalling = Timeout::builder("slow").grpc().between_frames(second).build().unwrap();
        let log = Log::default();
        let frames = || {
            let first = stream::iter([Ok::<_, Broken>(Frame::data(Bytes::from_static(b"x")))]);
            StreamBody::new(futures_util::StreamExt::chain(first, stream::pending()))
        };
        let service = Recording::new("call", Does::Admit, &log).layer().grpc();
        let service =
            service.layer(stalling.layer(service_fn(|()| async { Ok::<_, Broken>(Response::new(frames())) })));
        let mut body = Box::pin(service.oneshot(()).await.unwrap().into_body());
        assert!(body.frame().await.unwrap().unwrap().is_data());

        // When time is up
        {
            let mut late = pin!(body.frame());
            assert!(poll(late.as_mut()).is_pending());
            advance(second).await;
            let trailers = late.await.unwrap().unwrap().into_trailers().unwrap();
            assert_eq!(
                (&trailers["grpc-status"], &trailers["grpc-message"]),
                (&HeaderValue::from_static("4"), &HeaderValue::from_static("the call timed out"))
            );
        }

        // Then that is the end, and a failure
        assert_eq!(log.take(), "call, call Failure");
        assert!(body.is_end_stream() && body.frame().await.is_none());

        let service = Timeout::builder("slow").deadline().grpc().build().unwrap();
        let service =
            service.layer(service_fn(|_: http::Request<()>| async { Ok::<_, Broken>(Response::new(frames())) }));
        let mut request = http::Request::new(());
        request.extensions_mut().insert(Deadline::after(second));
        let mut body = Box::pin(service.oneshot(request).await.unwrap().into_body());
        assert!(body.frame().await.unwrap().unwrap().is_data());
        let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers["grpc-message"], "the deadline passed");
    }
}
