//! Timeouts to the tick, on a paused clock.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

mod support;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use cofferdam::{
    BoxError, BreakerState, CircuitBreaker, Deadline, Instant, Policy, Rejected, Timeout, TimeoutLayer, Why,
    timeout::CarriedDeadline,
};
use support::{Ask, Asks, Probe, Script, controlled, poll, settled};
use tokio::time::{advance, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const TICK: Duration = Duration::from_millis(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn attempt(limit: Duration) -> TimeoutLayer {
    Timeout::builder("attempt").attempt(limit).build().unwrap()
}

fn to_deadline() -> TimeoutLayer<CarriedDeadline> {
    Timeout::builder("deadline").deadline().build().unwrap()
}

fn asking(deadline: Deadline) -> Ask {
    Ask { deadline: Some(deadline), ..Ask::default() }
}

fn why<T>(answer: Result<T, BoxError>) -> Why {
    match answer {
        Ok(_) => panic!("should have been rejected"),
        Err(error) => Rejected::find(error.as_ref()).expect("should have been rejected").why(),
    }
}

/// Says when it is dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn defect_37_it_fires_at_the_tick_and_the_inner_future_is_gone_by_then() {
    // Given a call that hangs
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let service = attempt(ms(300)).layer(service_fn(move |(): ()| {
        let flag = Flag(Arc::clone(&flag));
        async move {
            let _flag = flag;
            std::future::pending::<Result<(), BoxError>>().await
        }
    }));
    let mut call = pin!(service.oneshot(()));
    assert!(poll(call.as_mut()).is_pending());

    // One tick before its time it runs
    advance(ms(300) - TICK).await;
    assert!(poll(call.as_mut()).is_pending());
    assert!(!dropped.load(Ordering::SeqCst));

    // At its time it has been cancelled when the caller hears of it
    advance(TICK).await;
    let Poll::Ready(answer) = poll(call.as_mut()) else { panic!("the timer did not fire") };
    assert!(dropped.load(Ordering::SeqCst));
    assert_eq!(why(answer), Why::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn the_timer_wakes_its_caller() {
    // Given a call that nobody polls by hand
    let start = Instant::now();
    let service = attempt(ms(300)).layer(Probe::<Asks>::new(Script::Never));

    // Then its caller hears of it at the tick
    assert_eq!(why(service.oneshot(Ask::default()).await), Why::TimedOut);
    let took = Instant::now().since(start);
    assert!((ms(300)..=ms(300) + TICK).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn defect_143_an_answer_that_is_there_in_the_same_poll_wins() {
    // Given calls that take exactly as long as they may, and longer
    for late in [ms(0), ms(50), ms(100_000)] {
        let (service, mut calls) = controlled::<(), u32>();
        let mut call = pin!(attempt(ms(100)).layer(service).oneshot(()));
        assert!(poll(call.as_mut()).is_pending());

        // When both the answer and the end of the time are there by the next poll
        advance(ms(100) + late).await;
        calls.try_recv().unwrap().answer(Ok(1));

        // Then the answer counts
        assert_eq!(settled(call).unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_passed_on_when_it_comes() {
    // Given a call that has waited for a part of its time
    let (service, mut calls) = controlled::<(), u32>();
    let mut call = pin!(attempt(ms(100)).layer(service).oneshot(()));
    for _ in 0..5 {
        advance(ms(10)).await;
        assert!(poll(call.as_mut()).is_pending());
    }

    // Then its answer is there as soon as the service has it
    calls.try_recv().unwrap().answer(Ok(1));
    assert_eq!(settled(call).unwrap(), 1);
}

#[test]
fn no_timer_is_registered_for_a_call_that_is_ready_at_once() {
    // Given no runtime, where a timer would panic
    assert!(tokio::runtime::Handle::try_current().is_err());
    let service =
        ServiceBuilder::new().layer(attempt(ms(1))).layer(to_deadline()).service(Probe::<Asks>::new(Script::Ok));

    // Then a call that has its answer at once is answered, deadline or not
    assert_eq!(settled(service.clone().oneshot(Ask::default())).unwrap(), 1);
    assert_eq!(settled(service.clone().oneshot(asking(Deadline::after(ms(60_000))))).unwrap(), 1);

    // Whereas one that has to wait does need the runtime
    let waits = attempt(ms(1)).layer(Probe::<Asks>::new(Script::Never)).oneshot(Ask::default());
    let waits = std::panic::AssertUnwindSafe(|| settled(waits));
    assert!(std::panic::catch_unwind(waits).is_err());
}

/// Becomes ready after a while.
#[derive(Clone)]
struct Slow {
    inner: Probe<Asks>,
    takes: Duration,
}

impl Slow {
    fn new(takes: Duration) -> Self {
        Self { inner: Probe::new(Script::Ok), takes }
    }
}

/// [`Slow`], with the wait that one instance is in.
struct Waiting {
    slow: Slow,
    wait: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl Service<Ask> for Waiting {
    type Response = u32;
    type Error = BoxError;
    type Future = <Probe<Asks> as Service<Ask>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let takes = self.slow.takes;
        let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(takes)));
        std::task::ready!(wait.as_mut().poll(cx));
        self.slow.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Ask) -> Self::Future {
        self.wait = None;
        self.slow.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn defect_141_waiting_for_readiness_counts() {
    // Given a service that takes ten seconds to become ready, and one second to do it in
    let slow = Slow::new(ms(10_000));
    let probe = slow.inner.clone();
    let mut service = attempt(ms(1000)).layer(Waiting { slow, wait: None });
    let start = Instant::now();

    // Then the layer says that it is ready after a second, and rejects the call without making it
    service.ready().await.unwrap();
    let waited = Instant::now().since(start);
    assert!((ms(1000)..=ms(1001)).contains(&waited), "{waited:?}");
    assert_eq!(why(service.call(Ask::default()).await), Why::TimedOut);
    assert_eq!(probe.calls(), 0);

    // And when the service has become ready meanwhile, the next call is made
    sleep(ms(10_000)).await;
    assert_eq!(service.ready().await.unwrap().call(Ask::default()).await.unwrap(), 1);
    assert_eq!(probe.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn defect_141_what_readiness_took_is_not_there_for_the_call() {
    // Given a service that is ready after 0.6 s and then hangs, with a second for both
    let slow = Slow::new(ms(600));
    slow.inner.does(Script::Never);
    let probe = slow.inner.clone();
    let mut service = attempt(ms(1000)).layer(Waiting { slow, wait: None });
    let start = Instant::now();
    service.ready().await.unwrap();
    let ready = Instant::now().since(start);
    assert!((ms(600)..=ms(601)).contains(&ready), "{ready:?}");

    // Then 0.4 s are left for the call, also if it is asked again whether it is ready
    let asked_again = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(asked_again.is_ready());
    assert_eq!(why(service.call(Ask::default()).await), Why::TimedOut);
    let took = Instant::now().since(start);
    assert!((ms(1000)..=ms(1002)).contains(&took), "{took:?}");
    assert_eq!(probe.calls(), 1);

    // And a service that is ready again in time has all of it for the next call
    let slow = Slow::new(ms(0));
    slow.inner.does(Script::Never);
    let mut quick = attempt(ms(1000)).layer(Waiting { slow, wait: None });
    let start = Instant::now();
    assert_eq!(why(quick.ready().await.unwrap().call(Ask::default()).await), Why::TimedOut);
    assert!(Instant::now().since(start) >= ms(1000));
}

#[tokio::test(start_paused = true)]
async fn defect_144_the_earlier_of_attempt_and_deadline_holds_and_travels_on() {
    let now = Instant::now();
    let layer = Timeout::builder("both").attempt(ms(300)).deadline().build().unwrap();

    // (what the request carries, what the service behind sees, when it ends, and why)
    let cases = [
        (None, Some(300), 300, Why::TimedOut),
        (Some(1000), Some(300), 300, Why::TimedOut),
        (Some(100), Some(100), 100, Why::DeadlineExceeded),
    ];
    for (carried, seen, ends, reason) in cases {
        let start = Instant::now();
        let deadline = |millis: u64| Deadline::at(start.after(ms(millis)));
        let (service, mut calls) = controlled::<Ask, u32>();
        let service = layer.clone().layer(service);
        let request = Ask { deadline: carried.map(deadline), ..Ask::default() };
        assert_eq!(why(service.oneshot(request).await), reason, "{carried:?}");
        let took = Instant::now().since(start);
        assert!((ms(ends)..=ms(ends + 1)).contains(&took), "{carried:?}: {took:?}");
        let call = calls.try_recv().unwrap();
        assert_eq!(call.request.deadline, seen.map(deadline), "{carried:?}");
        assert!(call.is_dropped());
    }
    assert!(Instant::now().since(now) >= ms(700));
}

#[tokio::test(start_paused = true)]
async fn defect_144_a_deadline_shrinks_from_hop_to_hop() {
    // Given three hops of 400 ms each, one after the other, and a deadline of a second over all
    let start = Instant::now();
    let deadline = Deadline::at(start.after(ms(1000)));
    let mut remaining = Vec::new();
    for hop in 0..3 {
        let (service, mut calls) = controlled::<Ask, u32>();
        let layer = Timeout::builder("hop").attempt(ms(400)).deadline().build().unwrap();
        let answer = layer.layer(service).oneshot(asking(deadline)).await;

        // Then the last of them has only what is left, and says so
        assert_eq!(why(answer), if hop == 2 { Why::DeadlineExceeded } else { Why::TimedOut });
        remaining.push(calls.try_recv().unwrap().request.deadline.unwrap().moment().since(start));
    }
    assert!(remaining[0] >= ms(400) && remaining[0] < ms(410), "{remaining:?}");
    assert!(remaining[1] >= ms(800) && remaining[1] < ms(810), "{remaining:?}");
    assert_eq!(remaining[2], ms(1000));
}

#[tokio::test(start_paused = true)]
async fn an_expired_deadline_is_not_worth_a_call() {
    // Given a deadline that ends right now, and one long past
    let probe = Probe::<Asks>::new(Script::Ok);
    let service = to_deadline().layer(probe.clone());
    for expired in [Deadline::after(Duration::ZERO), Deadline::at(Instant::ORIGIN)] {
        // Then the call is not made
        assert_eq!(why(service.clone().oneshot(asking(expired)).await), Why::Expired);
    }
    assert_eq!(probe.calls(), 0);

    // But with a tick left it is
    assert_eq!(service.clone().oneshot(asking(Deadline::after(TICK))).await.unwrap(), 1);

    // And without any deadline there is no limit at all
    probe.does(Script::Never);
    let mut call = Box::pin(service.oneshot(Ask::default()));
    assert!(poll(call.as_mut()).is_pending());
    advance(Duration::from_secs(86_400)).await;
    assert!(poll(call.as_mut()).is_pending());
}

#[tokio::test(start_paused = true)]
async fn defect_135_any_duration_that_can_be_built_works() {
    // Given the shortest limit and the longest
    let (shortest, longest) = (Duration::from_nanos(1), Duration::from_secs(100 * 365 * 24 * 60 * 60));
    for limit in [shortest, longest] {
        // Then a call that is ready is answered
        let probe = Probe::<Asks>::new(Script::Ok);
        let layer = Timeout::builder("extreme").attempt(limit).deadline().build().unwrap();
        let service = layer.layer(probe.clone());
        for _ in 0..100 {
            assert_eq!(service.clone().oneshot(Ask::default()).await.unwrap(), 1);
        }
        // And one that is not waits, or does not
        probe.does(Script::Never);
        for deadline in [None, Some(Deadline::after(Duration::MAX)), Some(Deadline::at(Instant::NEVER))] {
            let request = Ask { deadline, ..Ask::default() };
            let mut call = Box::pin(service.clone().oneshot(request));
            assert!(poll(call.as_mut()).is_pending());
            advance(TICK * 2).await;
            assert_eq!(poll(call.as_mut()).is_ready(), limit == shortest, "{limit:?} {deadline:?}");
        }
    }
    // And what cannot be is refused when it is built.
    for limit in [Duration::ZERO, Duration::MAX, longest + Duration::from_nanos(1)] {
        assert_eq!(Timeout::builder("extreme").attempt(limit).build().unwrap_err().field(), "attempt");
    }
    assert_eq!(Timeout::builder("nothing").build().unwrap_err().field(), "attempt");
}

#[tokio::test(start_paused = true)]
async fn defect_57_a_breaker_outside_opens_by_timeouts() {
    // Given a dependency that hangs behind a timeout behind a breaker
    let breaker = CircuitBreaker::builder("hangs").minimum_calls(5).consecutive_failures(None).build().unwrap();
    let probe = Probe::<Asks>::new(Script::Never);
    let service = ServiceBuilder::new().layer(breaker.clone().layer()).layer(attempt(ms(100))).service(probe.clone());

    // Then each timeout is a failure, and the fifth opens the breaker
    for calls in 1..=5 {
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(why(service.clone().oneshot(Ask::default()).await), Why::TimedOut);
        assert_eq!(breaker.counts().failures, calls);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(why(service.oneshot(Ask::default()).await), Why::Open);
    assert_eq!(probe.calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn defect_56_a_breaker_inside_opens_because_cancelled_calls_are_slow() {
    // Given the same the other way round: the breaker only sees that its calls are cancelled
    let breaker = CircuitBreaker::builder("hangs").minimum_calls(5).slow_calls(ms(50), 0.9).build().unwrap();
    let probe = Probe::<Asks>::new(Script::Never);
    let service = ServiceBuilder::new().layer(attempt(ms(100))).layer(breaker.clone().layer()).service(probe.clone());

    // Then the calls count as slow, and the fifth opens it
    for calls in 1..=5 {
        assert_eq!(breaker.state(), BreakerState::Closed);
        assert_eq!(why(service.clone().oneshot(Ask::default()).await), Why::TimedOut);
        assert_eq!((breaker.counts().slow, breaker.counts().failures), (calls, 0));
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    assert_eq!(why(service.oneshot(Ask::default()).await), Why::Open);
    assert_eq!(probe.calls(), 5);

    // Whereas callers who leave before a call is slow say nothing.
    let patient = CircuitBreaker::builder("leavers").minimum_calls(5).slow_calls(ms(500), 0.9).build().unwrap();
    let service = ServiceBuilder::new().layer(attempt(ms(100))).layer(patient.clone().layer()).service(probe);
    for _ in 0..50 {
        assert_eq!(why(service.clone().oneshot(Ask::default()).await), Why::TimedOut);
    }
    assert_eq!((patient.state(), patient.counts().calls), (BreakerState::Closed, 0));
}

#[cfg(feature = "http")]
mod bodies {
    use bytes::Bytes;
    use http::{Request, Response, StatusCode};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::sync::mpsc;

    use super::*;
    use support::Broken;

    type Frame = Result<http_body::Frame<Bytes>, Broken>;

    /// A body that is fed by the test, and where it is fed.
    fn fed(
        status: StatusCode,
    ) -> (mpsc::UnboundedSender<Frame>, Response<impl http_body::Body<Data = Bytes, Error = Broken>>) {
        let (feed, mut frames) = mpsc::unbounded_channel();
        let frames = futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx));
        let mut response = Response::new(StreamBody::new(frames));
        *response.status_mut() = status;
        (feed, response)
    }

    fn data(text: &'static str) -> Frame {
        Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes())))
    }

    /// The body of the one response that the service has, behind that layer.
    macro_rules! through {
        ($layer:expr, $response:expr, $request:expr) => {{
            let mut response = Some($response);
            let service =
                service_fn(move |_: Request<()>| std::future::ready(Ok::<_, Broken>(response.take().unwrap())));
            $layer.layer(service).oneshot($request).await.unwrap()
        }};
    }

    #[tokio::test(start_paused = true)]
    async fn defect_139_a_body_that_stalls_after_the_head_ends_in_an_error() {
        // Given a head, and then nothing
        let (_feed, response) = fed(StatusCode::PARTIAL_CONTENT);
        let layer = Timeout::builder("frames").http().between_frames(ms(300)).build().unwrap();
        let start = Instant::now();
        let response = through!(layer, response, Request::new(()));

        // Then the head has come as it was
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);

        // And the body ends at the tick, in an error that says who and why, and then in nothing more
        let mut body = Box::pin(response.into_body());
        let error = body.frame().await.unwrap().unwrap_err();
        let rejected = Rejected::find(error.as_ref()).unwrap();
        assert_eq!((rejected.by().as_str(), rejected.why()), ("frames", Why::TimedOut));
        let took = Instant::now().since(start);
        assert!((ms(300)..=ms(301)).contains(&took), "{took:?}");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn defect_139_a_stalled_body_is_let_go_of_when_its_time_is_up() {
        // Given a reader that holds on to a body that has stalled
        let (feed, response) = fed(StatusCode::OK);
        let layer = Timeout::builder("frames").http().between_frames(ms(300)).build().unwrap();
        let mut body = Box::pin(through!(layer, response, Request::new(())).into_body());
        assert!(body.frame().await.unwrap().is_err());

        // Then the service's body is gone, so that its connection is free
        assert!(feed.is_closed());
        drop(body);
    }

    #[tokio::test(start_paused = true)]
    async fn defect_139_a_drip_is_judged_frame_by_frame() {
        let layer = || Timeout::builder("frames").http().between_frames(ms(1000)).build().unwrap();

        // Given a byte every 900 ms, for half a minute: slow, but within its limit
        let (feed, response) = fed(StatusCode::OK);
        tokio::spawn(async move {
            for _ in 0..30 {
                sleep(ms(900)).await;
                feed.send(data("x")).unwrap();
            }
        });
        let body = through!(layer(), response, Request::new(())).into_body();
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), 30);

        // Given a byte every 1100 ms, there is none
        let (feed, response) = fed(StatusCode::OK);
        tokio::spawn(async move {
            feed.send(data("first")).unwrap();
            sleep(ms(1100)).await;
            let _ = feed.send(data("late"));
        });
        let mut body = Box::pin(through!(layer(), response, Request::new(())).into_body());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
        assert_eq!(why(body.frame().await.unwrap()), Why::TimedOut);

        // But a reader who takes his time is not the service's fault
        let (feed, response) = fed(StatusCode::OK);
        feed.send(data("a")).unwrap();
        feed.send(data("b")).unwrap();
        drop(feed);
        let mut body = Box::pin(through!(layer(), response, Request::new(())).into_body());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
        advance(ms(60_000)).await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "b");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn defect_139_a_deadline_bounds_the_whole_body() {
        // Given a byte every 100 ms, each in time, and a deadline of a second
        let (feed, response) = fed(StatusCode::OK);
        let drip = tokio::spawn(async move {
            while feed.send(data("x")).is_ok() {
                sleep(ms(100)).await;
            }
        });
        let layer = Timeout::builder("whole").deadline().http().between_frames(ms(500)).build().unwrap();
        let mut request = Request::new(());
        let start = Instant::now();
        request.extensions_mut().insert(Deadline::at(start.after(ms(1000))));
        let mut body = Box::pin(through!(layer, response, request).into_body());

        // Then frames come until the deadline, and then the reason why no more do
        let mut frames = 0;
        let reason = loop {
            match body.frame().await.expect("an error comes first") {
                Ok(_) => frames += 1,
                error => break why(error),
            }
        };
        assert_eq!(reason, Why::DeadlineExceeded);
        assert!((9..=11).contains(&frames), "{frames}");
        let took = Instant::now().since(start);
        assert!((ms(1000)..=ms(1001)).contains(&took), "{took:?}");
        support::within("the service hears of it", drip).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn defect_140_the_limit_of_an_attempt_ends_with_its_head() {
        // Given a second for the attempt, a head after 10 ms, and five seconds of body
        let (feed, response) = fed(StatusCode::OK);
        tokio::spawn(async move {
            for _ in 0..5 {
                sleep(ms(1000)).await;
                feed.send(data("x")).unwrap();
            }
        });
        let layer = Timeout::builder("head").attempt(ms(1000)).deadline().http().build().unwrap();
        let mut response = Some(response);
        let service = service_fn(move |_: Request<()>| {
            let response = response.take().unwrap();
            async move {
                sleep(ms(10)).await;
                Ok::<_, Broken>(response)
            }
        });
        let body = layer.layer(service).oneshot(Request::new(())).await.unwrap().into_body();

        // Then it arrives complete
        assert_eq!(body.collect().await.unwrap().to_bytes(), "xxxxx");
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_in_the_body_is_passed_on_with_its_cause() {
        let (feed, response) = fed(StatusCode::OK);
        feed.send(Err(Broken)).unwrap();
        let layer = Timeout::builder("frames").http().between_frames(ms(300)).build().unwrap();
        let mut body = Box::pin(through!(layer, response, Request::new(())).into_body());
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.downcast_ref::<Broken>().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn defect_145_time_that_is_up_is_a_gateway_timeout() {
        // Given a service that hangs, over HTTP, and a breaker outside
        let breaker = CircuitBreaker::builder("hangs").build().unwrap();
        let layer = Timeout::builder("head").attempt(ms(100)).deadline().http().build().unwrap();
        let service = ServiceBuilder::new()
            .layer(breaker.clone().layer().http())
            .layer(layer)
            .service(service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, Broken>>()));

        // When its time is up, its deadline passes, or had passed
        let cases = [
            (None, Why::TimedOut, 1),
            (Some(50), Why::DeadlineExceeded, 2),
            // Not even tried: this says nothing about the dependency.
            (Some(0), Why::Expired, 2),
        ];
        for (left, reason, failures) in cases {
            let mut request = Request::new(());
            if let Some(left) = left {
                request.extensions_mut().insert(Deadline::after(ms(left)));
            }
            let response = service.clone().oneshot(request).await.unwrap();

            // Then it is a 504 that says why, and a failure if there was a call
            assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
            assert_eq!(cofferdam::rejection(&response).unwrap().why(), reason);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((problem["status"].as_u64(), problem["detail"].as_str()), (Some(504), Some(reason.as_str())));
            assert_eq!(breaker.counts().failures, failures);
        }
    }
}
