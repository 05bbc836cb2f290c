//! Waits, deadlines, and what is told of them.

use super::*;

#[tokio::test(start_paused = true)]
async fn defect_117_nobody_sleeps_past_the_time_there_is() {
    let service = Flaky::new(9);
    let start = Instant::now();
    let layer = Retry::builder("total").total(ms(1_000)).backoff(every(ms(10_000))).build().unwrap();
    let error = layer.layer(service.clone()).oneshot(7).await.unwrap_err();
    assert_eq!((error.to_string().as_str(), Instant::now().since(start)), ("failure 1", ms(0)));
}

#[tokio::test(start_paused = true)]
async fn defect_144_no_attempt_is_begun_without_time_for_it() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let service = service_fn(move |_: Letter| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Err::<(), BoxError>("down".into()) }
    });
    let layer = Retry::builder("deadline").attempts(3).backoff(every(ms(60))).context().build().unwrap();
    let start = Instant::now();
    let letter = Letter::until(Deadline::after(ms(100)));
    assert!(layer.layer(service).oneshot(letter).await.is_err());
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
