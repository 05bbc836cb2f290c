//! What attempts are paid from.

use super::*;

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
    let layer = Retry::builder("own").attempts(2).backoff(every(ms(1))).budget(rich()).build().unwrap();
    assert!(layer.layer(service.clone()).oneshot(7).await.is_err());
    layer.budget().succeeded();
    assert!(layer.layer(service.clone()).oneshot(7).await.is_ok());
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

/// Nobody is there, and whoever calls is told at once: attempts that cost little are no more of them, and no sooner.
#[tokio::test(start_paused = true)]
async fn defect_119_attempts_of_what_was_never_sent_are_bounded_and_wait() {
    let refused = || BoxError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
    let layer = Retry::builder("refused").attempts(4).backoff(every(ms(50))).unsent(|_: &BoxError| true);
    let layer = layer.budget(rich()).build().unwrap();
    let calls = Arc::new(Mutex::new(Vec::new()));
    let noted = calls.clone();
    let service = service_fn(move |()| {
        noted.lock().unwrap().push(Instant::now());
        ready(Err::<(), _>(refused()))
    });
    let start = Instant::now();
    assert!(layer.layer(service.clone()).oneshot(()).await.is_err());
    let at: Vec<_> = calls.lock().unwrap().drain(..).map(|at| at.since(start).as_millis() / 50).collect();
    // The fourth is passed over, as three in a row have failed.
    assert_eq!(at, [0, 1, 2]);
    assert!((ms(150)..ms(156)).contains(&Instant::now().since(start)));

    // And while nobody is there, a thousand calls are not more than a thousand.
    for _ in 0..1_000 {
        assert!(layer.layer(service.clone()).oneshot(()).await.is_err());
    }
    assert_eq!(calls.lock().unwrap().len(), 1_000);
}
