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

/// Calls that go well take 50 ms, so an attempt with less time than that would only take the last real answer away.
#[tokio::test(start_paused = true)]
async fn defect_117_an_attempt_that_cannot_finish_before_the_deadline_is_not_made() {
    let fails = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicU32::new(0));
    let (failed, counted) = (fails.clone(), calls.clone());
    let service = service_fn(move |_: Letter| {
        counted.fetch_add(1, Ordering::SeqCst);
        let fails = failed.swap(false, Ordering::SeqCst);
        async move {
            tokio::time::sleep(ms(if fails { 10 } else { 50 })).await;
            if fails { Err(BoxError::from("reset")) } else { Ok(()) }
        }
    });
    let retry = || Retry::builder("cannot finish").backoff(every(ms(40))).context().build().unwrap();
    let fails_at_first = async |layer: &RetryLayer<_, _, _>, millis| {
        fails.store(true, Ordering::SeqCst);
        calls.store(0, Ordering::SeqCst);
        let letter = Letter::until(Deadline::after(ms(millis)));
        let (start, answer) = (Instant::now(), layer.layer(service.clone()).oneshot(letter).await);
        (calls.load(Ordering::SeqCst), answer.is_ok(), Instant::now().since(start).as_millis() / 10)
    };
    // Whoever has not seen a call go well knows no better than that the deadline has not passed when the attempt begins.
    let layer = retry();
    assert_eq!(fails_at_first(&layer, 90).await, (2, true, 10));
    // Then it is known.
    assert_eq!(fails_at_first(&layer, 90).await, (1, false, 1));
    assert_eq!(fails_at_first(&layer, 110).await, (2, true, 10));
    // And forgotten again, as calls may have become quicker.
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(fails_at_first(&layer, 90).await.0, 2);
}

/// The process slept, or had no time: the attempt that was to come after 50 ms could only be begun after 200.
#[tokio::test(start_paused = true)]
async fn defect_117_a_timer_that_is_late_begins_no_attempt_past_the_end() {
    let given_up = given_up_of("late");
    let service = Flaky::new(9);
    let layer = Retry::builder("late").total(ms(100)).backoff(every(ms(50))).build().unwrap();
    let sleeps = async {
        tokio::time::sleep(ms(10)).await;
        tokio::time::advance(ms(190)).await;
    };
    let (answer, ()) = tokio::join!(layer.layer(service.clone()).oneshot(7), sleeps);
    assert_eq!((answer.unwrap_err().to_string().as_str(), service.calls()), ("failure 1", 1));
    assert_eq!(given_up(), [(1, GivenUp::Time)]);
    assert_eq!(layer.budget().balance(), 3.0);
}

/// What was given up after an attempt of a retry of that name, so far.
fn given_up_of(name: &'static str) -> impl Fn() -> Vec<(u32, GivenUp)> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writes = told.clone();
    let subscription = observe(move |event: &Event| {
        if let What::GivenUp { number, why } = event.what
            && event.by.as_str() == name
        {
            writes.lock().unwrap().push((number, why));
        }
    });
    move || {
        let _ = &subscription;
        told.lock().unwrap().clone()
    }
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

/// Two attempts are announced; others fail meanwhile, so both are passed over, and why is told of each, and in the end.
#[tokio::test(start_paused = true)]
async fn giving_up_after_a_wait_is_told() {
    let given_up = given_up_of("passed over");
    let budget = Budget::builder("passed over").build().unwrap();
    (0..2).for_each(|_| budget.failed());
    let service = Flaky::new(9);
    let layer =
        Retry::builder("passed over").attempts(3).backoff(every(ms(10))).budget(budget.clone()).build().unwrap();
    let start = Instant::now();
    assert!(layer.layer(service.clone()).oneshot(7).await.is_err());
    assert_eq!((service.calls(), Instant::now().since(start)), (1, ms(20)));
    assert_eq!(given_up(), [(1, GivenUp::Failing), (2, GivenUp::Failing), (3, GivenUp::Attempts)]);
    assert_eq!((budget.balance(), budget.in_flight()), (3.0, 0));
}

/// Why a call that failed was made once is told, and it bears no mark: whoever called may know better.
#[tokio::test(start_paused = true)]
async fn what_must_not_be_sent_again_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let writes = told.clone();
    let _subscription = observe(move |event: &Event| {
        if let What::Attempt { next, .. } = event.what
            && event.by.as_str() == "sent once"
        {
            writes.lock().unwrap().push(next);
        }
    });
    let retry = || Retry::builder("sent once").backoff(every(ms(1)));
    assert!(retry().idempotent(|_: &u32| false).build().unwrap().layer(Flaky::new(1)).oneshot(7).await.is_err());
    let layer = retry().attempts(1).build().unwrap();
    assert!(layer.layer(Flaky::new(1)).oneshot(7).await.is_err());
    layer.suspend();
    assert!(layer.layer(Flaky::new(1)).oneshot(7).await.is_err());
    assert!(layer.layer(Flaky::new(0)).oneshot(7).await.is_ok());
    let given_up = [GivenUp::Unrepeatable, GivenUp::Attempts, GivenUp::Off].map(Next::GivenUp);
    assert_eq!(*told.lock().unwrap(), [&given_up[..], &[Next::Answered]].concat());
}
