//! Hedges on a paused clock.
#![allow(missing_docs)]
#![cfg(feature = "test-util")]

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use cofferdam::{
    AdaptiveLimit, Attempt, Backoff, BoxError, Budget, Bulkhead, Carries, CircuitBreaker, Control, Criticality,
    Deadline, Dependency, Event, Event as Told, GivenUp, Hedge, HedgeLayer, Instant, Made, Next, Outcome, Policy,
    Rejected, Retry, Timeout, What, Why, observe,
};
use futures_util::FutureExt;
use tower::{Layer, Service, ServiceExt};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What an attempt does: it takes that long, and then has this answer.
#[derive(Clone, Copy, Debug)]
enum Do {
    Ok(u64),
    Err(u64),
    /// A timeout of our own further in.
    TimesOut(u64),
    /// One of ours turns it away.
    Reject,
    /// Panics after that time.
    Panic(u64),
    Never,
}

/// When each attempt did what.
type Notes = Arc<Mutex<Vec<(Instant, u32, &'static str)>>>;

/// Does one thing after the other, and notes what becomes of each attempt.
#[derive(Clone)]
struct Script {
    todo: Arc<Mutex<Vec<Do>>>,
    notes: Notes,
    calls: Arc<AtomicU32>,
    ready: bool,
}

struct Running {
    number: u32,
    notes: Notes,
    does: Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>,
    ended: bool,
}

impl Future for Running {
    type Output = Result<u32, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.does.as_mut().poll(cx);
        self.ended = polled.is_ready();
        polled
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let what = if self.ended { "ended" } else { "dropped" };
        self.notes.lock().unwrap().push((Instant::now(), self.number, what));
    }
}

impl Script {
    fn new(todo: impl IntoIterator<Item = Do>) -> Self {
        let todo = Arc::new(Mutex::new(todo.into_iter().collect()));
        Self { todo, notes: Arc::default(), calls: Arc::default(), ready: false }
    }

    fn also(&self, todo: impl IntoIterator<Item = Do>) {
        self.todo.lock().unwrap().extend(todo);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    /// When attempts were sent and ended, and which, since then.
    fn notes(&self, since: Instant) -> Vec<(u128, u32, &'static str)> {
        let notes = std::mem::take(&mut *self.notes.lock().unwrap());
        notes.into_iter().map(|(at, number, what)| (at.since(since).as_millis(), number, what)).collect()
    }
}

impl<Request: Send> Service<Request> for Script {
    type Response = u32;
    type Error = BoxError;
    type Future = Running;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request) -> Running {
        assert!(std::mem::take(&mut self.ready), "called without having been made ready");
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        self.notes.lock().unwrap().push((Instant::now(), number, "sent"));
        let mut todo = self.todo.lock().unwrap();
        let does = if todo.is_empty() { Do::Ok(0) } else { todo.remove(0) };
        let does = async move {
            match does {
                Do::Ok(0) => Ok(number),
                Do::Ok(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    Ok(number)
                }
                Do::Err(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    Err(format!("failure {number}").into())
                }
                Do::TimesOut(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    Err(BoxError::carry(Rejected::new(cofferdam::Name::new("inner").unwrap(), Why::TimedOut)))
                }
                Do::Reject => Err(BoxError::carry(Rejected::new(cofferdam::Name::new("inner").unwrap(), Why::Full))),
                Do::Panic(millis) => {
                    tokio::time::sleep(ms(millis)).await;
                    panic!("an attempt panics")
                }
                Do::Never => std::future::pending().await,
            }
        };
        // A clone is made ready by itself.
        self.ready = false;
        Running { number, notes: Arc::clone(&self.notes), does: Box::pin(does), ended: false }
    }
}

/// A budget that hardly ends.
fn rich() -> Budget {
    let budget = Budget::builder("rich").ratio(1000.0).build().unwrap();
    budget.succeeded();
    budget
}

fn hedge(delay: u64) -> HedgeLayer {
    Hedge::builder("hedge").fixed_delay(ms(delay)).budget(rich()).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_is_sent_again_and_the_first_answer_wins() {
    let (layer, start) = (hedge(10), Instant::now());
    let script = Script::new([Do::Ok(50), Do::Ok(5)]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 2);
    let notes = script.notes(start);
    // Timers fire up to a millisecond late.
    assert!((10..13).contains(&notes[1].0), "{notes:?}");
    let order: Vec<_> = notes.iter().map(|(_, number, what)| (*number, *what)).collect();
    assert_eq!(order, [(1, "sent"), (2, "sent"), (2, "ended"), (1, "dropped")]);
    assert_eq!((layer.counts().sent, layer.counts().won, layer.in_flight()), (1, 1, 0));

    // Two at most, each after another delay.
    let (script, start) = (Script::new([Do::Never, Do::Never, Do::Ok(30)]), Instant::now());
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 3);
    let sent: Vec<_> = script.notes(start).iter().filter(|note| note.2 == "sent").map(|note| note.0 / 10).collect();
    assert_eq!(sent, [0, 1, 2]);

    let one = Hedge::builder("one").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
    let script = Script::new([Do::Ok(100), Do::Never]);
    assert_eq!(one.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_take_long_is_sent_once() {
    let (layer, script) = (hedge(10), Script::new([Do::Ok(0), Do::Ok(9)]));
    for number in [1, 2] {
        assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), number);
    }
    assert_eq!((script.calls(), layer.counts().sent), (2, 0));
}

/// A limit of one: the original has the slot, and the hedge takes none, waits for none and is told of.
#[tokio::test(start_paused = true)]
async fn defect_123_a_hedge_holds_no_capacity_that_it_may_not_use() {
    let slots = Bulkhead::builder("one").limit(1).build().unwrap();
    let (layer, script) = (hedge(10), Script::new([Do::Ok(50)]));
    let service = layer.layer(slots.clone().layer().layer(script.clone()));
    let mut call = Box::pin(service.oneshot(()));
    assert!(futures_util::poll!(&mut call).is_pending());
    assert_eq!(slots.in_flight(), 1);
    assert_eq!(call.await.unwrap(), 1);
    assert_eq!((script.calls(), slots.in_flight()), (1, 0));

    // One that is not ready at once gets no hedge; the original is waited for.
    let told = reasons("unready");
    let layer = Hedge::builder("unready").fixed_delay(ms(10)).budget(rich()).build().unwrap();
    let script = Script::new([Do::Ok(50)]);
    let service = tower::limit::ConcurrencyLimit::new(script.clone(), 1);
    assert_eq!(layer.layer(service).oneshot(()).await.unwrap(), 1);
    assert_eq!((script.calls(), layer.budget().in_flight()), (1, 0));
    assert_eq!(told(), [GivenUp::NotReady, GivenUp::NotReady]);
}

#[tokio::test(start_paused = true)]
async fn defect_124_each_attempt_makes_its_own_clone_ready() {
    // The script panics if an instance is called that was not made ready, and clones of it are not.
    let script = Script::new([Do::Never, Do::Never, Do::Ok(1)]);
    assert_eq!(hedge(5).layer(script.clone()).oneshot(()).await.unwrap(), 3);
    // Over a real buffer and a real limit, with hedges that fire.
    let script = Script::new((0..400).map(|number| if number % 3 == 0 { Do::Ok(30) } else { Do::Ok(1) }));
    let limited = tower::limit::ConcurrencyLimit::new(script, 100);
    let service = hedge(5).layer(tower::buffer::Buffer::new(limited, 100));
    let calls = (0..100).map(|_| service.clone().oneshot(()));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn defect_125_losers_are_dropped_before_the_answer_is_seen_and_count_as_left() {
    let breaker = CircuitBreaker::builder("inner").build().unwrap();
    let layer = hedge(10);
    let script = Script::new([Do::Never, Do::Ok(5)]);
    let service = layer.layer(breaker.clone().layer().layer(script.clone()));
    let start = Instant::now();
    assert_eq!(service.clone().oneshot(()).await.unwrap(), 2);
    assert_eq!(script.notes(start).last().unwrap().1, 1);
    // One success, and nobody's failure.
    assert_eq!((breaker.counts().calls, breaker.counts().failures), (1, 0));

    // A caller who leaves takes all attempts along.
    script.also([Do::Never, Do::Never, Do::Never]);
    let call = tokio::time::timeout(ms(25), service.oneshot(()));
    assert!(call.await.is_err());
    let dropped = script.notes(start).iter().filter(|note| note.2 == "dropped").count();
    assert_eq!((dropped, layer.budget().in_flight(), layer.in_flight()), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_126_what_must_not_be_sent_twice_is_sent_once() {
    let builder = Hedge::builder("once").fixed_delay(ms(10)).budget(rich());
    let layer = builder.idempotent(|request: &u32| *request != 7).build().unwrap();
    let script = Script::new([Do::Ok(10_000), Do::Err(10_000)]);
    assert_eq!(layer.layer(script.clone()).oneshot(7).await.unwrap(), 1);
    assert!(layer.layer(script.clone()).oneshot(7).await.is_err());
    assert_eq!((script.calls(), layer.counts().sent), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn defect_127_without_a_budget_the_original_is_the_answer_and_nobody_waits_for_others() {
    let told = reasons("empty");
    let budget = Budget::builder("empty").build().unwrap();
    while budget.extra().is_ok() {}
    let layer = Hedge::builder("empty").fixed_delay(ms(10)).budget(budget).build().unwrap();
    let script = Script::new([Do::Ok(100), Do::Err(50), Do::Err(5)]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    for (number, took) in [(2, 50), (3, 5)] {
        let start = Instant::now();
        let error = layer.layer(script.clone()).oneshot(()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("failure {number}"));
        assert!((took..took + 2).contains(&(Instant::now().since(start).as_millis() as u64)));
    }
    assert_eq!(script.calls(), 3);
    assert!(told().iter().all(|why| *why == GivenUp::Empty));
}

#[tokio::test(start_paused = true)]
async fn defect_129_a_fast_failure_does_not_win() {
    // The original fails late, and the hedge has the answer after that.
    let script = Script::new([Do::Err(60), Do::Ok(70)]);
    let one = Hedge::builder("one").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
    assert_eq!(one.layer(script).oneshot(()).await.unwrap(), 2);
    // The hedge fails fast, and the original has the answer.
    let script = Script::new([Do::Ok(60), Do::Err(1)]);
    assert_eq!(one.layer(script).oneshot(()).await.unwrap(), 1);
    // If all fail, the error is the original's, whoever failed last.
    for script in [[Do::Err(60), Do::Err(1), Do::Err(1)], [Do::Err(20), Do::Err(90), Do::Err(30)]] {
        let error = hedge(10).layer(Script::new(script)).oneshot(()).await.unwrap_err();
        assert_eq!(error.to_string(), "failure 1");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_sends_the_next_at_once() {
    let (start, script) = (Instant::now(), Script::new([Do::Err(2), Do::TimesOut(3), Do::Ok(4)]));
    let layer = hedge(1_000);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 3);
    assert!(Instant::now().since(start) < ms(15));
    assert_eq!((layer.counts().sent, layer.counts().won), (2, 1));
    // But not after it was turned away.
    let script = Script::new([Do::Reject]);
    let error = layer.layer(script.clone()).oneshot(()).await.unwrap_err();
    assert_eq!((error.carried().unwrap().why(), script.calls()), (Why::Full, 1));
}

#[tokio::test(start_paused = true)]
async fn after_not_now_there_is_no_further_attempt_and_those_in_flight_are_waited_for() {
    let classify = |answer: Result<&u32, &BoxError>| match answer {
        Ok(_) => Outcome::Success,
        Err(_) => Outcome::Overload,
    };
    let builder = Hedge::builder("not now").fixed_delay(ms(10)).budget(rich());
    let layer = builder.classify(classify).build().unwrap();
    let script = Script::new([Do::Err(5)]);
    assert!(layer.layer(script.clone()).oneshot(()).await.is_err());
    assert_eq!(script.calls(), 1);
    let script = Script::new([Do::Ok(60), Do::Err(5)]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    assert_eq!(script.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_attempt_drops_the_others_and_goes_on() {
    for todo in [[Do::Panic(30), Do::Never], [Do::Never, Do::Panic(5)]] {
        let layer = Hedge::builder("panics").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
        let (script, start) = (Script::new(todo), Instant::now());
        let mut call = Box::pin(layer.layer(script.clone()).oneshot(()));
        let panicked = AssertUnwindSafe(&mut call).catch_unwind().await;
        assert!(panicked.is_err());
        // The call is still there, and its attempts are not.
        assert_eq!(script.notes(start).iter().filter(|note| note.2 == "dropped").count(), script.calls() as usize);
        drop(call);
        assert_eq!((layer.budget().in_flight(), layer.in_flight()), (0, 0));
    }
}

/// Why hedges of that name were not sent, from now on.
fn reasons(name: &'static str) -> impl Fn() -> Vec<GivenUp> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writes = told.clone();
    let subscription = observe(move |event: &Event| {
        if let What::GivenUp { why, .. } = event.what
            && event.by.as_str() == name
        {
            writes.lock().unwrap().push(why);
        }
    });
    move || {
        let _ = &subscription;
        std::mem::take(&mut *told.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_while_anything_is_wrong() {
    let told = reasons("wrong");
    let dependency = Dependency::builder("wrong").budget(rich()).build().unwrap();
    let builder = Hedge::builder("wrong").fixed_delay(ms(10)).extra(1).dependency(&dependency);
    let layer = builder.build().unwrap();
    let breaker = CircuitBreaker::builder("wrong").dependency(&dependency).build().unwrap();
    let limit = AdaptiveLimit::builder("wrong").initial_limit(1).max_limit(2).dependency(&dependency).build().unwrap();
    let script = Script::new([]);
    let report = dependency.report();
    let slow = |before: &dyn Fn(), meanwhile: &dyn Fn()| {
        script.also([Do::Ok(20)]);
        before();
        let mut call = Box::pin(layer.layer(script.clone()).oneshot(()));
        assert!((&mut call).now_or_never().is_none());
        meanwhile();
        call
    };
    let nothing = || {};
    // It became so while the call was waited for: that is told.
    for (begins, ends, why) in [
        (&(|| breaker.force_open()) as &dyn Fn(), &(|| breaker.reset()) as &dyn Fn(), GivenUp::Open),
        (
            &|| report.state(cofferdam::dependency::Fact::Stalled, Instant::NEVER),
            &|| report.take_back(cofferdam::dependency::Fact::Stalled),
            GivenUp::Stalled,
        ),
        (&|| (0..3).for_each(|_| dependency.budget().failed()), &|| dependency.budget().succeeded(), GivenUp::Failing),
        (&|| layer.suspend(), &|| layer.resume(), GivenUp::Off),
    ] {
        slow(&nothing, begins).await.unwrap();
        ends();
        assert_eq!(told(), [why]);
        // It was so when the call was made: it is not hedged at all.
        slow(begins, ends).await.unwrap();
        assert_eq!((told(), layer.counts().sent), (vec![], 0), "{why}");
    }
    // A limit that was reached.
    let held: Vec<_> = (0..3).filter_map(|_| cofferdam::Admit::admit(&limit, &(), Instant::now()).ok()).collect();
    assert!(dependency.is_under_pressure());
    slow(&nothing, &nothing).await.unwrap();
    assert_eq!(layer.counts().sent, 0);
    held.into_iter().for_each(|token| limit.undo(token, Instant::now()));
    // And when all is well again, it is sent.
    tokio::time::advance(ms(2_000)).await;
    slow(&nothing, &nothing).await.unwrap();
    assert_eq!((told(), layer.counts().sent), (vec![], 1));
}

#[tokio::test(start_paused = true)]
async fn when_calls_pile_up_nothing_is_sent() {
    let told = reasons("crowd");
    let layer = Hedge::builder("crowd").fixed_delay(ms(10)).extra(1).budget(rich()).build().unwrap();
    let script = Script::new(std::iter::repeat_n(Do::Ok(30), 1_000));
    let service = layer.layer(script.clone());
    let calls = |number: usize| futures_util::future::join_all((0..number).map(|_| service.clone().oneshot(())));
    // Four at a time are usual. Hedges are paid, so that they do not matter.
    calls(4).await;
    assert_eq!(layer.counts().sent, 4);
    tokio::time::sleep(Duration::from_secs(10)).await;
    layer.budget().succeeded();
    calls(6).await;
    assert_eq!((layer.counts().sent, told().len()), (10, 0));
    // Seven are more than half as many again.
    let mut late = std::pin::pin!(calls(7));
    assert!(futures_util::poll!(&mut late).is_pending());
    assert_eq!(layer.in_flight(), 7);
    late.await;
    assert_eq!(layer.counts().sent, 10);
    assert_eq!(told(), [GivenUp::Crowded; 7]);
}

#[derive(Clone)]
struct Ask {
    deadline: Option<Deadline>,
    attempt: Attempt,
    seen: Arc<Mutex<Vec<u32>>>,
}

impl Ask {
    fn new() -> Self {
        Self { deadline: None, attempt: Attempt::FIRST, seen: Arc::default() }
    }
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

/// Notes which attempt each request says to be.
fn noting(script: &Script) -> impl Service<Ask, Response = u32, Error = BoxError, Future: Send> + Clone {
    let script = script.clone();
    tower::service_fn(move |ask: Ask| {
        ask.seen.lock().unwrap().push(ask.attempt.number());
        script.clone().oneshot(())
    })
}

#[tokio::test(start_paused = true)]
async fn defect_133_each_attempt_carries_its_number() {
    let builder = Hedge::builder("numbers").fixed_delay(ms(10)).budget(rich()).context();
    let layer = builder.build().unwrap();
    let (ask, script) = (Ask::new(), Script::new([Do::Never, Do::Never, Do::Ok(1)]));
    assert_eq!(layer.layer(noting(&script)).oneshot(ask.clone()).await.unwrap(), 3);
    assert_eq!(*ask.seen.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn defect_115_of_a_retry_around_a_hedge_only_the_original_is_hedged() {
    let dependency = Dependency::builder("both").budget(rich()).build().unwrap();
    let builder = Hedge::builder("both").fixed_delay(ms(10)).extra(1).dependency(&dependency).context();
    let hedge = builder.build().unwrap();
    let retry = Retry::builder("both").attempts(2).backoff(Backoff::constant(ms(1))).dependency(&dependency).context();
    let retry = retry.build().unwrap();
    let (ask, script) = (Ask::new(), Script::new([Do::Err(20), Do::Err(20), Do::Ok(50)]));
    let service = retry.layer(hedge.layer(noting(&script)));
    assert_eq!(service.oneshot(ask.clone()).await.unwrap(), 3);
    assert_eq!(*ask.seen.lock().unwrap(), [1, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_around_it_tells_the_shared_budget_once() {
    let dependency = Dependency::builder("once").budget(Budget::builder("once").ratio(0.5).build().unwrap());
    let dependency = dependency.build().unwrap();
    let hedge = Hedge::builder("once").dependency(&dependency).build().unwrap();
    let paid_by = |calls: u64, before: f64| (dependency.budget().balance() - before) / calls as f64;
    let spend = || while dependency.budget().extra().is_ok() {};
    spend();
    let before = dependency.budget().balance();
    assert!(hedge.layer(Script::new([])).oneshot(()).await.is_ok());
    assert_eq!(paid_by(1, before), 0.5);

    let retry = Retry::builder("once").dependency(&dependency).build().unwrap();
    let before = dependency.budget().balance();
    assert!(retry.layer(hedge.layer(Script::new([]))).oneshot(()).await.is_ok());
    assert_eq!(paid_by(1, before), 0.5);
    // Without the retry, the hedge tells it again.
    drop(retry);
    let before = dependency.budget().balance();
    assert!(hedge.layer(Script::new([])).oneshot(()).await.is_ok());
    assert_eq!(paid_by(1, before), 0.5);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_deadline() {
    let told = reasons("deadline");
    let builder = Hedge::builder("deadline").fixed_delay(ms(10)).extra(1).budget(rich()).context();
    let layer = builder.build().unwrap();
    let script = Script::new([Do::Ok(50)]);
    let ask = Ask { deadline: Some(Deadline::after(ms(5))), ..Ask::new() };
    assert_eq!(layer.layer(script.clone()).oneshot(ask).await.unwrap(), 1);
    assert_eq!((script.calls(), told()), (1, vec![GivenUp::Time]));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_bounds_each_attempt_and_one_outside_the_call() {
    let timeout = |millis| Timeout::builder("bound").attempt(ms(millis)).build().unwrap();
    let script = Script::new([Do::Never, Do::Never, Do::Ok(5)]);
    assert_eq!(hedge(10).layer(timeout(12).layer(script.clone())).oneshot(()).await.unwrap(), 3);
    let script = Script::new([Do::Never, Do::Never, Do::Never]);
    let error = timeout(50).layer(hedge(10).layer(script)).oneshot(()).await.unwrap_err();
    assert_eq!(error.carried().unwrap().why(), Why::TimedOut);
}

type Attempts = Vec<(u32, Made, Outcome, Next)>;

fn attempts_of(name: &'static str) -> (Arc<Mutex<Attempts>>, cofferdam::Subscription) {
    let told = Arc::new(Mutex::new(Attempts::new()));
    let writes = told.clone();
    let subscription = observe(move |event: &Told| {
        if let What::Attempt { number, made, outcome, next, .. } = event.what
            && event.by.as_str() == name
        {
            writes.lock().unwrap().push((number, made, outcome, next));
        }
    });
    (told, subscription)
}

#[tokio::test(start_paused = true)]
async fn each_attempt_is_told_with_its_reason_and_what_follows() {
    let (told, _subscription) = attempts_of("told");
    let layer = Hedge::builder("told").fixed_delay(ms(10)).budget(rich()).build().unwrap();
    let call = |todo: Vec<Do>| layer.layer(Script::new(todo)).oneshot(());
    let take = || std::mem::take(&mut *told.lock().unwrap());

    call(vec![Do::Ok(0)]).await.unwrap();
    assert_eq!(take(), [(1, Made::First, Outcome::Success, Next::Answered)]);

    call(vec![Do::Never, Do::Ok(1)]).await.unwrap();
    let expected = [
        (2, Made::AfterDelay, Outcome::Success, Next::Answered),
        (1, Made::First, Outcome::Abandoned, Next::Superseded),
    ];
    assert_eq!(take(), expected);

    call(vec![Do::Err(1), Do::Err(1), Do::Err(1)]).await.unwrap_err();
    let expected = [
        (1, Made::First, Outcome::Failure, Next::AtOnce),
        (2, Made::AfterFailure, Outcome::Failure, Next::AtOnce),
        (3, Made::AfterFailure, Outcome::Failure, Next::GivenUp(GivenUp::Attempts)),
    ];
    assert_eq!(take(), expected);

    layer.budget().succeeded();
    call(vec![Do::Ok(60), Do::Never, Do::Err(1)]).await.unwrap();
    let expected = [
        (3, Made::AfterDelay, Outcome::Failure, Next::Others),
        (1, Made::First, Outcome::Success, Next::Answered),
        (2, Made::AfterDelay, Outcome::Abandoned, Next::Superseded),
    ];
    assert_eq!(take(), expected);
}

/// Calls of which one in twenty-five takes long.
async fn learn(service: &(impl Service<(), Response = u32, Error = BoxError> + Clone), script: &Script, calls: u64) {
    for call in 0..calls {
        script.also([Do::Ok(if call % 25 == 24 { 200 } else { 2 + call % 9 })]);
        let todo = script.todo.lock().unwrap().len();
        assert!(todo <= 2);
        script.todo.lock().unwrap().truncate(1);
        service.clone().oneshot(()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_delay_is_learned_and_nothing_is_sent_before_fifty_calls() {
    let told = reasons("learns");
    let layer = Hedge::builder("learns").budget(rich()).build().unwrap();
    let script = Script::new([]);
    let service = layer.layer(script.clone());
    assert_eq!((layer.delay(), layer.state().as_str()), (None, "learning"));
    learn(&service, &script, 49).await;
    assert_eq!(layer.counts().sent, 0);
    assert!(told().iter().all(|why| *why == GivenUp::Learning));
    for _ in 0..100 {
        layer.budget().succeeded();
        learn(&service, &script, 25).await;
    }
    // Nearly all calls take up to 10 ms, and a timer up to one more.
    let delay = layer.delay().unwrap();
    assert!((ms(9)..ms(16)).contains(&delay), "{delay:?}");
    let counts = layer.counts();
    assert!(counts.sent >= 90 && counts.won * 10 >= counts.sent * 8, "{counts:?}");
    assert_eq!(layer.state(), format!("after {delay:?}: {} sent, {} won", counts.sent, counts.won));
    layer.reset();
    assert_eq!(layer.delay(), None);
}

/// The delay grows while a call is waited for: it is not old any more.
#[tokio::test(start_paused = true)]
async fn a_call_is_hedged_by_the_delay_as_it_is_when_its_timer_fires() {
    let (layer, script, start) = (hedge(10), Script::new([Do::Ok(50), Do::Never]), Instant::now());
    let mut call = Box::pin(layer.layer(script.clone()).oneshot(()));
    assert!(futures_util::poll!(&mut call).is_pending());
    layer.configure(|settings| settings.fixed_delay(ms(30))).unwrap();
    assert_eq!(call.await.unwrap(), 1);
    let notes = script.notes(start);
    assert!((30..34).contains(&notes[1].0), "{notes:?}");
}

#[tokio::test(start_paused = true)]
async fn operators_read_and_change_it_by_name() {
    let layer = Hedge::builder("by name").build().unwrap();
    let control: &dyn Control = &layer;
    let settings: Vec<_> = control.settings().into_iter().map(|setting| (setting.name, setting.value)).collect();
    let expected = [
        ("extra", "2"),
        ("fixed_delay", "none"),
        ("share", "0.02"),
        ("shortest_delay", "1ms"),
        ("longest_delay", "10s"),
    ];
    assert_eq!(settings, expected.map(|(name, value)| (name, value.to_owned())));
    control.configure("fixed_delay", "20ms").unwrap();
    control.configure("extra", "1").unwrap();
    assert_eq!(layer.delay(), Some(ms(20)));
    for (setting, value) in [
        ("extra", "0"),
        ("extra", "3"),
        ("fixed_delay", "0s"),
        ("share", "0.0009"),
        ("share", "NaN"),
        ("shortest_delay", "11s"),
        ("longest_delay", "0s"),
    ] {
        assert!(control.configure(setting, value).is_err(), "{setting} {value}");
    }
    let script = Script::new([Do::Ok(100), Do::Never]);
    assert_eq!(layer.layer(script.clone()).oneshot(()).await.unwrap(), 1);
    assert_eq!(script.calls(), 2);
    control.force("suspended").unwrap();
    script.also([Do::Ok(100)]);
    assert!(layer.layer(script.clone()).oneshot(()).await.is_ok());
    assert_eq!((script.calls(), control.state().as_str()), (3, "suspended"));
    control.force("active").unwrap();
    assert!(control.force("open").is_err());
}

/// In whatever way three attempts end at the same time, and wherever the call is dropped: nothing is left.
#[tokio::test(start_paused = true)]
async fn defect_128_attempts_that_end_together_and_calls_that_are_dropped_leave_nothing() {
    let ways = |millis| [Do::Ok(millis), Do::Err(millis), Do::Never, Do::TimesOut(millis)];
    for first in ways(30) {
        for second in ways(20) {
            for third in ways(10) {
                for patience in [5, 15, 25, 30, 40, 100] {
                    let layer = hedge(10);
                    let script = Script::new([first, second, third]);
                    let call = layer.layer(script.clone()).oneshot(());
                    let answer = tokio::time::timeout(ms(patience), call).await;
                    let any_good = [first, second, third].iter().any(|way| matches!(way, Do::Ok(_)));
                    if patience == 100 {
                        assert!(answer.is_err() || any_good == answer.unwrap().is_ok());
                    }
                    let notes = script.notes(Instant::ORIGIN);
                    let sent = notes.iter().filter(|note| note.2 == "sent").count();
                    assert_eq!(2 * sent, notes.len());
                    assert_eq!((layer.budget().in_flight(), layer.in_flight()), (0, 0));
                }
            }
        }
    }
}
