//! How many attempts are made, which calls are, and what each of them needs.

use super::*;

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

#[tokio::test(start_paused = true)]
async fn defect_115_only_the_outer_of_two_retries_multiplies() {
    let numbers = Arc::new(Mutex::new(Vec::new()));
    let seen = numbers.clone();
    let service = service_fn(move |letter: Letter| {
        seen.lock().unwrap().push(letter.attempt.number());
        async { Err::<(), BoxError>("down".into()) }
    });
    let layer = || Retry::builder("nested").attempts(2).backoff(every(ms(1))).context().build().unwrap();
    let service = layer().layer(layer().layer(service));
    assert!(service.oneshot(Letter::default()).await.is_err());
    // The original is tried twice, and what the outer one adds once.
    assert_eq!(*numbers.lock().unwrap(), [1, 2, 2]);
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
async fn defect_59_whoever_classifies_is_asked_once_about_each_answer() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = asked.clone();
    let classify = move |answer: Result<&u32, &BoxError>| {
        counted.fetch_add(1, Ordering::SeqCst);
        if answer.is_ok() { Outcome::Success } else { Outcome::Failure }
    };
    let service = Flaky::new(2);
    let layer = Retry::builder("once").backoff(every(ms(1))).budget(rich()).classify(classify).build().unwrap();
    assert_eq!(layer.layer(service.clone()).oneshot(7).await.unwrap(), 7);
    assert_eq!((service.calls(), asked.load(Ordering::SeqCst)), (3, 3));
}

#[tokio::test(start_paused = true)]
async fn defect_73_an_extra_attempt_that_has_ended_counts_no_more_though_its_future_is_kept() {
    let layer = Retry::builder("kept").backoff(every(ms(1))).build().unwrap();
    let mut call = Box::pin(layer.layer(Flaky::new(1)).oneshot(7));
    assert_eq!(call.as_mut().await.unwrap(), 7);
    assert_eq!(layer.budget().in_flight(), 0);
    drop(call);
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
    let layer = Retry::builder("retry").backoff(every(ms(1000))).budget(rich()).build().unwrap();
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

/// A budget that is used up.
fn poor(name: &str) -> Budget {
    let budget = Budget::builder(name).ratio(0.000_001).build().unwrap();
    while budget.extra().is_ok() {}
    budget
}

/// Fails in the same way each time, and has room for the mark.
async fn mark_of(layer: RetryLayer, rejected: Option<Rejected>) -> Marked {
    layer
        .layer(service_fn(move |()| ready(Err::<(), _>(Marked { rejected, exhausted: None }))))
        .oneshot(())
        .await
        .unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn defect_121_the_last_error_says_how_many_attempts_were_made_and_why_there_was_no_other() {
    let retry = || Retry::builder("exhausted").attempts(2).backoff(every(ms(10)));
    let is_marked = async |layer: RetryLayer, attempts, why| {
        let marked = mark_of(layer, None).await.exhausted.unwrap();
        assert_eq!((marked.attempts, marked.why), (attempts, why));
    };
    is_marked(retry().build().unwrap(), 2, GivenUp::Attempts).await;
    is_marked(retry().budget(poor("exhausted")).build().unwrap(), 1, GivenUp::Empty).await;
    is_marked(retry().total(ms(5)).build().unwrap(), 1, GivenUp::Time).await;

    let dependency = Dependency::builder("exhausted").build().unwrap();
    let breaker = CircuitBreaker::builder("exhausted").dependency(&dependency).build().unwrap();
    breaker.force_open();
    is_marked(retry().dependency(&dependency).build().unwrap(), 1, GivenUp::Open).await;

    // A call that is not to be made again is not used up.
    assert_eq!(mark_of(retry().attempts(1).build().unwrap(), None).await.exhausted, None);

    // Whoever turned it away asks to be left alone for longer than anybody waits, and its rejection is still there.
    let rejected = Rejected::new(Name::new("full").unwrap(), Why::Full).with_retry_after(ms(60_000));
    let marked = mark_of(retry().rejections(true).build().unwrap(), Some(rejected)).await;
    assert_eq!((marked.rejected, marked.exhausted.unwrap().why), (Some(rejected), GivenUp::LeftAlone));
}
