//! How long a call may take.

use super::*;

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
