//! Retries on a paused clock.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

use std::{
    future::ready,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use cofferdam::{
    Attempt, Backoff, BoxError, Budget, Bulkhead, Carries, CircuitBreaker, Context as _, Criticality, Deadline, Event,
    GivenUp, Instant, Name, Next, Outcome, Policy, Rejected, Retry, RetryLayer, Timeout, What, Why,
    context::NoDeadline,
    observe,
    retry::{AttemptProtocol, Cloned},
};
use tower::{Layer, Service, ServiceExt, service_fn};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Fails so often, and then succeeds; counts its calls and remembers when they were.
#[derive(Clone, Default)]
struct Flaky {
    failures: u32,
    calls: Arc<Mutex<Vec<(Instant, u32)>>>,
}

impl Flaky {
    fn new(failures: u32) -> Self {
        Self { failures, ..Self::default() }
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

impl Service<u32> for Flaky {
    type Response = u32;
    type Error = BoxError;
    type Future = std::future::Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        let mut calls = self.calls.lock().unwrap();
        calls.push((Instant::now(), request));
        let number = calls.len();
        let failed = number <= self.failures as usize;
        std::future::ready(if failed { Err(format!("failure {number}").into()) } else { Ok(request) })
    }
}

fn every(wait: Duration) -> Backoff {
    Backoff::constant(wait)
}

fn attempts(attempts: u32) -> RetryLayer {
    Retry::builder("retry").attempts(attempts).backoff(every(ms(10))).build().unwrap()
}

/// A budget that hardly ends.
fn rich(name: &str) -> Budget {
    let budget = Budget::builder(name).ratio(1000.0).build().unwrap();
    budget.succeeded();
    budget
}

#[tokio::test(start_paused = true)]
async fn defect_116_so_many_attempts_are_so_many_calls() {
    for (most, made) in [(1, 1), (2, 2), (3, 3), (10, 3)] {
        let service = Flaky::new(u32::MAX);
        let start = Instant::now();
        let error = attempts(most).layer(service.clone()).oneshot(7).await.unwrap_err();
        // After three failures in a row the others are passed over, and waited for all the same.
        assert_eq!(service.calls(), made, "{most}");
        assert_eq!(error.to_string(), format!("failure {made}"));
        let waited = u64::from(most) - 1;
        // The third token is still there, so that waiting goes on.
        assert!(Instant::now().since(start) >= ms(10 * waited.min(2)), "{most}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_twice_succeeds_at_the_third_attempt() {
    let service = Flaky::new(2);
    let start = Instant::now();
    assert_eq!(attempts(4).layer(service.clone()).oneshot(7).await.unwrap(), 7);
    let calls = service.calls.lock().unwrap().clone();
    let at: Vec<_> = calls.iter().map(|(at, _)| at.since(start).as_millis() / 10).collect();
    assert_eq!(at, [0, 1, 2]);
    assert!(calls.iter().all(|(_, request)| *request == 7));
}

#[tokio::test(start_paused = true)]
async fn defect_111_an_outage_costs_no_more_than_the_budget() {
    let service = Flaky::new(u32::MAX);
    let layer = attempts(4);
    for _ in 0..1_000 {
        assert!(layer.layer(service.clone()).oneshot(7).await.is_err());
    }
    assert_eq!(service.calls(), 1_002);
}

#[tokio::test(start_paused = true)]
async fn a_blip_is_outlived_by_those_who_decide_late() {
    // Given three calls that all failed at once
    let service = Flaky::new(3);
    let layer = Retry::builder("blip").backoff(every(ms(10))).build().unwrap();
    let calls = (0..3).map(|n| tokio::spawn(layer.layer(service.clone()).oneshot(n)));
    // And somebody else's success before they look again
    let calls: Vec<_> = calls.collect();
    tokio::time::sleep(ms(5)).await;
    assert!(layer.budget().is_failing());
    assert_eq!(layer.layer(service.clone()).oneshot(9).await.unwrap(), 9);
    // Then all of them succeed
    for call in calls {
        assert!(call.await.unwrap().is_ok());
    }
    assert_eq!(service.calls(), 7);
}

#[tokio::test(start_paused = true)]
async fn defect_112_113_attempts_are_of_a_call_and_tokens_of_a_budget() {
    let (one, other) = (Flaky::new(1), Flaky::new(1));
    let budget = Budget::builder("empty").build().unwrap();
    while budget.extra().is_ok() {}
    let layer = Retry::builder("shared").budget(budget.clone()).build().unwrap();
    assert!(layer.layer(one.clone()).oneshot(7).await.is_err());
    assert_eq!(one.calls(), 1);
    assert!(attempts(2).layer(other.clone()).oneshot(7).await.is_ok());

    // One that used its attempts up leaves the next its own.
    let service = Flaky::new(3);
    let layer = Retry::builder("own").attempts(2).backoff(every(ms(1))).budget(rich("own")).build().unwrap();
    assert!(layer.layer(service.clone()).oneshot(7).await.is_err());
    layer.budget().succeeded();
    assert!(layer.layer(service.clone()).oneshot(7).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn defect_117_nobody_sleeps_past_the_time_there_is() {
    let service = Flaky::new(9);
    let start = Instant::now();
    let layer = Retry::builder("total").total(ms(1_000)).backoff(every(ms(10_000))).build().unwrap();
    let error = layer.layer(service.clone()).oneshot(7).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), Instant::now().since(start)), ("failure 1", ms(0)));
}

#[tokio::test(start_paused = true)]
async fn defect_61_what_we_rejected_is_not_tried_again() {
    let breaker = CircuitBreaker::builder("retry-breaker").build().unwrap();
    breaker.force_open();
    let service = Flaky::new(0);
    let layer = attempts(4);
    let start = Instant::now();
    let error = layer.layer(breaker.layer().layer(service.clone())).oneshot(7).await.unwrap_err();
    assert_eq!(error.carried().unwrap().why(), Why::Open);
    assert_eq!((service.calls(), layer.budget().balance()), (0, 3.0));
    assert_eq!(Instant::now().since(start), ms(0));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_tried_again_where_that_is_wanted_and_it_says_when() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let service = service_fn(move |(): ()| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let rejected = Rejected::new(Name::new("full").unwrap(), Why::Full).with_retry_after(ms(500));
        async move { if first { Err(BoxError::carry(rejected)) } else { Ok(()) } }
    });
    let layer = |longest| {
        let builder = Retry::builder("rejections").rejections(true).longest_retry_after(longest);
        builder.backoff(every(ms(10))).build().unwrap()
    };
    assert!(layer(ms(499)).layer(service.clone()).oneshot(()).await.is_err());
    calls.store(0, Ordering::SeqCst);
    let start = Instant::now();
    assert!(layer(ms(500)).layer(service).oneshot(()).await.is_ok());
    let took = Instant::now().since(start);
    assert!((ms(510)..ms(513)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_a_failure_like_any_other() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let service = service_fn(move |(): ()| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { std::future::pending().await } else { Ok::<_, BoxError>(()) } }
    });
    let timeout = Timeout::builder("attempt").attempt(ms(100)).build().unwrap();
    assert!(attempts(2).layer(timeout.layer(service)).oneshot(()).await.is_ok());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn defect_104_what_must_not_be_sent_twice_is_sent_once() {
    let service = Flaky::new(9);
    let layer = Retry::builder("once").idempotent(|request: &u32| *request != 7).build().unwrap();
    assert!(layer.layer(service.clone()).oneshot(7).await.is_err());
    assert_eq!(service.calls(), 1);
}

/// Is ready so often, and then it is not, or fails.
#[derive(Clone)]
struct Unready {
    readied: Arc<AtomicU32>,
    last: u32,
    error: bool,
    inner: Flaky,
}

impl Service<u32> for Unready {
    type Response = u32;
    type Error = BoxError;
    type Future = std::future::Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.readied.fetch_add(1, Ordering::SeqCst) < self.last {
            true => Poll::Ready(Ok(())),
            false if self.error => Poll::Ready(Err("not ready".into())),
            false => Poll::Pending,
        }
    }

    fn call(&mut self, request: u32) -> Self::Future {
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn defect_13_each_attempt_is_readied_by_itself_and_its_error_is_kept() {
    for (error, expected) in [(true, "not ready"), (false, "failure 2")] {
        let inner = Flaky::new(9);
        let service = Unready { readied: Arc::default(), last: 2, error, inner: inner.clone() };
        let layer = Retry::builder("ready").attempts(5).backoff(every(ms(1))).build().unwrap();
        let answer = layer.layer(service).oneshot(7).await;
        assert_eq!((answer.unwrap_err().to_string().as_str(), inner.calls()), (expected, 2));
        // What was not sent was not paid for.
        assert_eq!((layer.budget().balance(), layer.budget().in_flight()), (2.0, 0));
    }
}

#[derive(Clone)]
struct Ask {
    deadline: Option<Deadline>,
    attempt: Attempt,
}

impl cofferdam::Context for Ask {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }
    fn criticality(&self) -> Option<Criticality> {
        None
    }
    fn attempt(&self) -> Attempt {
        self.attempt
    }
    fn set_attempt(&mut self, attempt: Attempt) {
        self.attempt = attempt;
    }
}

#[tokio::test(start_paused = true)]
async fn defect_115_only_the_outer_of_two_retries_multiplies() {
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = numbers.clone();
    let service = service_fn(move |ask: Ask| {
        seen.lock().unwrap().push(ask.attempt().number());
        async { Err::<(), BoxError>("down".into()) }
    });
    let layer = || Retry::builder("nested").attempts(2).backoff(every(ms(1))).context().build().unwrap();
    let service = layer().layer(layer().layer(service));
    assert!(service.oneshot(Ask { deadline: None, attempt: Attempt::FIRST }).await.is_err());
    // The original is tried twice, and what the outer one adds once.
    assert_eq!(*numbers.lock().unwrap(), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn defect_144_no_attempt_is_begun_without_time_for_it() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let service = service_fn(move |_: Ask| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), BoxError>("down".into()) }
    });
    let layer = Retry::builder("deadline").attempts(3).backoff(every(ms(60))).context().build().unwrap();
    let start = Instant::now();
    let ask = Ask { deadline: Some(Deadline::after(ms(100))), attempt: Attempt::FIRST };
    assert!(layer.layer(service).oneshot(ask).await.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(Instant::now().since(start) < ms(65));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writes = told.clone();
    let _subscription = observe(move |event: &Event| {
        if let What::Attempt { number, outcome, next, .. } = event.what
            && event.by.as_str() == "told"
        {
            writes.lock().unwrap().push((number, outcome, next));
        }
    });
    let layer = Retry::builder("told").attempts(2).backoff(every(ms(10))).build().unwrap();
    assert!(layer.layer(Flaky::new(1)).oneshot(7).await.is_ok());
    assert!(layer.layer(Flaky::new(2)).oneshot(7).await.is_err());
    let expected = [
        (1, Outcome::Failure, Next::After(ms(10))),
        (2, Outcome::Success, Next::Answered),
        (1, Outcome::Failure, Next::After(ms(10))),
        (2, Outcome::Failure, Next::GivenUp(GivenUp::Attempts)),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

/// Two attempts are announced; others fail meanwhile, so both are passed over, and why is told in the end.
#[tokio::test(start_paused = true)]
async fn giving_up_after_a_wait_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writes = told.clone();
    let _subscription = observe(move |event: &Event| {
        if let What::GivenUp { number, why } = event.what
            && event.by.as_str() == "passed over"
        {
            writes.lock().unwrap().push((number, why));
        }
    });
    let budget = Budget::builder("passed over").build().unwrap();
    (0..2).for_each(|_| budget.failed());
    let service = Flaky::new(9);
    let layer =
        Retry::builder("passed over").attempts(3).backoff(every(ms(10))).budget(budget.clone()).build().unwrap();
    let start = Instant::now();
    assert!(layer.layer(service.clone()).oneshot(7).await.is_err());
    assert_eq!((service.calls(), Instant::now().since(start)), (1, ms(20)));
    assert_eq!(*told.lock().unwrap(), [(3, GivenUp::Attempts)]);
    assert_eq!((budget.balance(), budget.in_flight()), (3.0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_counts_as_a_failure_can_be_said() {
    let service = Flaky::new(0);
    let classify = |answer: Result<&u32, &BoxError>| match answer {
        Ok(0) | Err(_) => Outcome::Failure,
        Ok(_) => Outcome::Success,
    };
    let layer = Retry::builder("classify").backoff(every(ms(1))).classify(classify).build().unwrap();
    assert_eq!(layer.layer(service.clone()).oneshot(0).await.unwrap(), 0);
    assert_eq!(service.calls(), 3);

    let service = Flaky::new(9);
    let layer = Retry::builder("when").when(|reading| reading.outcome == Outcome::Overload).build().unwrap();
    assert!(layer.layer(service.clone()).oneshot(1).await.is_err());
    assert_eq!(service.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn defect_64_a_budget_breaks_retries_and_never_first_tries() {
    // Given ten shards behind one budget, of which one is down
    let tried = Arc::new(Mutex::new(Vec::new()));
    let seen = tried.clone();
    let shards = service_fn(move |request: u32| {
        seen.lock().unwrap().push(request);
        let dead = request % 10 == 3 || request >= 1_000;
        async move { if dead { Err(BoxError::from("down")) } else { Ok(request) } }
    });
    let layer = attempts(4);
    let mut served = 0;
    for request in 0..1_000 {
        served += u32::from(layer.layer(shards.clone()).oneshot(request).await.is_ok());
    }
    // Then the others are served as ever, and retries are a share of what is
    assert_eq!(served, 900);
    let calls = std::mem::take(&mut *tried.lock().unwrap());
    assert!((0..1_000).all(|request| calls.contains(&request)));
    assert!(calls.len() > 1_050 && calls.len() <= 1_000 + 3 + 90, "{}", calls.len());
    // And when all are down, first tries still flow, and nothing else does
    for request in 1_000..1_100 {
        assert!(layer.layer(shards.clone()).oneshot(request).await.is_err());
    }
    let calls = tried.lock().unwrap().clone();
    assert!((1_000..1_100).all(|request| calls.contains(&request)));
    assert!(calls.len() <= 102, "{}", calls.len());
}

#[tokio::test(start_paused = true)]
async fn defect_83_each_attempt_needs_a_slot_and_none_is_held_while_waiting() {
    // Given five slots inside of the retry, and calls that take a while and fail at first
    let slots = Bulkhead::builder("slots").limit(5).build().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let (counts, watched) = (calls.clone(), slots.clone());
    let service = slots.clone().layer().layer(service_fn(move |request: u32| {
        let (call, slots) = (counts.fetch_add(1, Ordering::SeqCst), watched.clone());
        async move {
            tokio::time::sleep(ms(100)).await;
            assert!((1..=5).contains(&slots.in_flight()));
            if call < 5 { Err(BoxError::from("down")) } else { Ok(request) }
        }
    }));
    let layer = Retry::builder("retry").backoff(every(ms(1000))).budget(rich("retry")).build().unwrap();
    let six = (0..6).map(|request| tokio::spawn(layer.layer(service.clone()).oneshot(request)));
    let answers = futures_util::future::join_all(six.collect::<Vec<_>>());
    let looks = async {
        tokio::time::sleep(ms(50)).await;
        assert_eq!((slots.in_flight(), calls.load(Ordering::SeqCst)), (5, 5), "the sixth is turned away");
        tokio::time::sleep(ms(100)).await;
        // Then those who wait for their next attempt hold nothing
        assert_eq!(slots.in_flight(), 0);
        assert_eq!(layer.layer(service.clone()).oneshot(9).await.unwrap(), 9);
        tokio::time::sleep(ms(900)).await;
        // And each attempt has a slot of its own
        assert_eq!((slots.in_flight(), calls.load(Ordering::SeqCst)), (5, 11));
    };
    let (answers, ()) = futures_util::future::join(answers, looks).await;
    let good = answers.into_iter().filter(|answer| answer.as_ref().unwrap().is_ok()).count();
    assert_eq!((good, slots.in_flight()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_109_so_many_tokens_are_so_many_retries_however_they_wait() {
    // Whether they come back together, one by one, or much later
    for waits in [|_| ms(10), |nth| ms(10 * (nth + 1)), |nth| ms(20_000 + nth)] as [fn(u64) -> Duration; 3] {
        // Given six calls that fail at once, and a budget of three tokens that hardly earns any
        let service = Flaky::new(6);
        let nth = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let backoff = Backoff::custom(ms(60_000), move |_| waits(nth.fetch_add(1, Ordering::SeqCst)));
        let budget = Budget::builder("three").ratio(0.000_001).build().unwrap();
        let layer = Retry::builder("retry").attempts(2).backoff(backoff).budget(budget.clone()).build().unwrap();
        let six: Vec<_> = (0..6).map(|request| tokio::spawn(layer.layer(service.clone()).oneshot(request))).collect();
        tokio::task::yield_now().await;
        tokio::time::sleep(ms(1)).await;
        assert_eq!((service.calls(), budget.is_failing()), (6, true));
        // And somebody else's success, before they look again
        assert!(layer.layer(service.clone()).oneshot(9).await.is_ok());
        let mut good = 0;
        for call in six {
            good += u32::from(call.await.unwrap().is_ok());
        }
        // Then three of them are sent again
        assert_eq!((service.calls(), good), (6 + 1 + 3, 3));
        assert!(budget.extra().is_err());
    }
}

/// An error with a place for the mark.
#[derive(Debug, Default, PartialEq)]
struct Marked {
    rejected: Option<Rejected>,
    exhausted: Option<cofferdam::retry::Exhausted>,
}

impl Carries for Marked {
    fn carry(rejected: Rejected) -> Self {
        Self { rejected: Some(rejected), exhausted: None }
    }

    fn carried(&self) -> Option<&Rejected> {
        self.rejected.as_ref()
    }

    fn exhaust(&mut self, exhausted: cofferdam::retry::Exhausted) {
        self.exhausted = Some(exhausted);
    }

    fn exhausted(&self) -> Option<&cofferdam::retry::Exhausted> {
        self.exhausted.as_ref()
    }
}

#[tokio::test(start_paused = true)]
async fn a_plain_error_that_was_given_up_is_left_by_retries_further_out() {
    let calls = Arc::new(AtomicU32::new(0));
    let retry = || Retry::builder("layer").attempts(2).backoff(every(ms(10))).build().unwrap();
    let count = Arc::clone(&calls);
    let marked = retry().layer(retry().layer(service_fn(move |()| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Err::<(), _>(Marked::default()))
    })));
    let exhausted = marked.oneshot(()).await.unwrap_err().exhausted.unwrap();
    assert_eq!((exhausted.attempts, exhausted.why, calls.swap(0, Ordering::SeqCst)), (2, GivenUp::Attempts, 2));

    // One without a place for it is made again: two times two calls, but for the budget's three failures in a row.
    let count = Arc::clone(&calls);
    let unmarked = retry().layer(retry().layer(service_fn(move |()| {
        count.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Err::<(), BoxError>("no".into()))
    })));
    assert!(unmarked.oneshot(()).await.is_err());
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

/// How many of forty calls are answered that fail once each, out of three tokens and nothing earned.
async fn answered_of_forty<M>(retry: RetryLayer<Cloned, NoDeadline, M>, failure: impl Fn() -> BoxError) -> u32
where
    M: AttemptProtocol<(), BoxError>,
{
    let mut answered = 0;
    for _ in 0..40 {
        let has_failed = AtomicBool::new(false);
        let service =
            service_fn(|()| ready(if has_failed.swap(true, Ordering::SeqCst) { Ok(()) } else { Err(failure()) }));
        answered += u32::from(retry.layer(service).oneshot(()).await.is_ok());
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_sent_at_a_tenth_of_the_cost() {
    let retry = || {
        let poor = Budget::builder("poor").ratio(0.000_001).build().unwrap();
        Retry::builder("retry").backoff(every(ms(1))).budget(poor).rejections(true)
    };
    let refused = || BoxError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
    let is_refused = |error: &BoxError| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    assert_eq!(answered_of_forty(retry().build().unwrap(), refused).await, 3);
    assert_eq!(answered_of_forty(retry().unsent(is_refused).build().unwrap(), refused).await, 30);
    assert_eq!(answered_of_forty(retry().unsent(is_refused).build().unwrap(), || "reset".into()).await, 3);

    // Of our own rejections, those of calls that had not begun
    let rejected =
        |why| move || BoxError::carry(Rejected::new(Name::new("ours").unwrap(), why).with_retry_after(ms(1)));
    assert_eq!(answered_of_forty(retry().build().unwrap(), rejected(Why::RateLimited)).await, 30);
    assert_eq!(answered_of_forty(retry().build().unwrap(), rejected(Why::TimedOut)).await, 3);
}
