//! Those who wait for a permit.

use super::*;

/// A call in a task of its own, which is polled when it is woken and not before.
fn spawn_call<P>(guard: &Guard<P>) -> JoinHandle<Result<(), Refused<()>>>
where
    P: Admit<(), Kind = Waiting, Token: Send> + Send + Sync + 'static,
{
    let guard = guard.clone();
    tokio::spawn(async move { guard.call(&(), || ready(Ok::<_, ()>(()))).await })
}

/// The same for those who would wait for it: also when the burst shrinks below what they already wait for.
#[tokio::test(start_paused = true)]
async fn defect_156_nobody_waits_for_what_never_comes() {
    let limit = patient(per_second(10), 10, 10);
    let guard = limit.clone().weighted(crate::support::weight_of).layer();
    let call = |weight: &'static u32| guard.call(weight, || ready(Ok::<_, ()>(())));
    let too_much =
        |answer| matches!(answer, Err(Refused::Rejected(rejected)) if Rejected::why(&rejected) == Why::TooMuch);
    assert!(too_much(call(&11).await));

    call(&10).await.unwrap();
    let (mut heavy, mut light) = (Box::pin(call(&8)), Box::pin(call(&1)));
    assert!(futures_util::poll!(&mut heavy).is_pending() && futures_util::poll!(&mut light).is_pending());
    limit.configure(|settings| settings.burst(5)).unwrap();
    assert!(too_much(heavy.await));
    light.await.unwrap();
}

/// Half of those who wait leave: the others come in at the rate, as if nobody else had ever been there.
#[tokio::test(start_paused = true)]
async fn defect_157_those_who_leave_the_line_take_no_permits_with_them() {
    let limit = patient(per_second(10), 1, 1000);
    let guard = limit.clone().layer();
    guard.call(&(), || ready(Ok::<_, ()>(()))).await.unwrap();
    let start = Instant::now();
    let mut line: Vec<_> = (0..200).map(|_| Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))))).collect();
    for call in &mut line {
        assert!(futures_util::poll!(call).is_pending());
    }
    let mut nth = 0;
    line.retain(|_| {
        nth += 1;
        nth % 2 == 0
    });
    for call in line {
        call.await.unwrap();
    }
    let took = Instant::now().since(start);
    assert!((Duration::from_millis(9_900)..=Duration::from_millis(10_200)).contains(&took), "{took:?}");
    assert_eq!(limit.waiting(), 0);
}

/// A thousand wait: at every moment no more have come in than the burst and what has come since, and all do in the end.
#[tokio::test(start_paused = true)]
async fn defect_147_nobody_comes_in_from_the_line_without_a_permit() {
    let limit = patient(per_second(10), 5, 1000);
    let guard = limit.clone().layer();
    let (start, admitted) = (Instant::now(), Arc::new(AtomicU32::new(0)));
    let calls = (0..1000).map(|_| {
        let admitted = Arc::clone(&admitted);
        guard.call(&(), move || {
            let so_far = admitted.fetch_add(1, Ordering::SeqCst) + 1;
            let allowed = 5.0 + Instant::now().since(start).as_secs_f64() * 10.0;
            assert!(f64::from(so_far) <= allowed + 1e-6, "{so_far} of {allowed}");
            ready(Ok::<_, ()>(()))
        })
    });
    futures_util::future::try_join_all(calls).await.unwrap();
    let took = Instant::now().since(start);
    assert!((Duration::from_millis(99_500)..=Duration::from_millis(101_000)).contains(&took), "{took:?}");
}

/// Whoever waits is woken when it is the next, and when its permit has come; by nothing else, and never by itself.
#[tokio::test(start_paused = true)]
async fn those_who_wait_sleep_until_it_is_their_turn() {
    let limit = patient(per_second(1), 1, 10);
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let (mut first, mut second) = (call(), call());
    let (one, two) = (Arc::<CountingWaker>::default(), Arc::<CountingWaker>::default());
    assert!(poll_with(first.as_mut(), &one).is_pending());
    assert!(poll_with(second.as_mut(), &two).is_pending());
    tokio::time::advance(900 * MILLISECOND).await;
    assert_eq!((one.wakes(), two.wakes()), (0, 0));
    tokio::time::advance(101 * MILLISECOND).await;
    assert_eq!((one.wakes(), two.wakes()), (1, 0));
    // The first comes in, and the second becomes the next: it is woken to set the timer.
    assert!(poll_with(first.as_mut(), &one).is_ready());
    assert_eq!((one.wakes(), two.wakes()), (1, 1));
    assert!(poll_with(second.as_mut(), &two).is_pending());
    tokio::time::advance(1001 * MILLISECOND).await;
    assert_eq!(two.wakes(), 2);
    assert!(poll_with(second.as_mut(), &two).is_ready());
}

/// The one that keeps the timer leaves: the next one keeps it.
#[tokio::test(start_paused = true)]
async fn when_the_next_in_line_leaves_the_one_behind_is_woken_in_time() {
    let limit = patient(per_second(1), 1, 10);
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let start = Instant::now();
    let (mut first, mut second) = (call(), call());
    assert!(futures_util::poll!(&mut first).is_pending() && futures_util::poll!(&mut second).is_pending());
    drop(first);
    second.await.unwrap();
    assert!(Instant::now().since(start) <= 1002 * MILLISECOND);
}

/// A faster rate helps those who wait at once, and not only from the next call on; so does a permit that is given back.
#[tokio::test(start_paused = true)]
async fn those_who_wait_hear_of_a_faster_rate_and_of_permits_that_are_given_back() {
    let limit = patient(Rate::per_hour(1).unwrap(), 1, 10);
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let mut waits = spawn_call(&guard);
    tokio::time::advance(MILLISECOND).await;
    assert!(futures_util::poll!(&mut waits).is_pending());
    limit.set_rate(per_second(10)).unwrap();
    let start = Instant::now();
    waits.await.unwrap().unwrap();
    assert!(Instant::now().since(start) <= 110 * MILLISECOND);

    limit.set_rate(Rate::per_hour(1).unwrap()).unwrap();
    tokio::time::advance(Duration::from_secs(7200)).await;
    let (now, mut none) = (Instant::now(), None);
    let permits = Admit::<()>::enter(&limit, &(), now, &mut none).unwrap();
    let waits = spawn_call(&guard);
    tokio::time::advance(Duration::ZERO).await;
    assert_eq!(limit.waiting(), 1);
    limit.undo(permits, now);
    waits.await.unwrap().unwrap();
    assert_eq!(Instant::now(), now);
}

/// A full line rejects with the time after which there is a permit; who waits too long is told so; a deadline is looked at.
#[tokio::test(start_paused = true)]
async fn a_line_is_bounded_in_number_and_in_time() {
    let builder = RateLimit::builder("search", per_second(1)).burst(1).queue(1);
    let limit = builder.max_wait(300 * MILLISECOND).build().unwrap();
    let guard = limit.clone().layer();
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let mut waits = call();
    assert!(futures_util::poll!(&mut waits).is_pending());
    let full = *call().await.unwrap_err().rejected().unwrap();
    assert_eq!((full.why(), full.retry_after()), (Why::RateLimited, Some(SECOND)));
    assert_eq!(waits.await.unwrap_err().rejected().unwrap().why(), Why::Waited);
    assert_eq!(limit.waiting(), 0);
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_deadline_ends_a_wait_and_over_http_a_rejection_is_a_429() {
    use cofferdam::Context as _;
    use http::{Request, StatusCode, header::RETRY_AFTER};

    let builder = RateLimit::builder("search", Rate::per_minute(6).unwrap()).burst(1);
    let patient = builder.clone().queue(10).max_wait(60 * SECOND).deadline().build().unwrap();
    let guard = patient.layer();
    let mut request = Request::new(());
    request.set_deadline(Deadline::after(SECOND));
    let call = || guard.call(&request, || ready(Ok::<_, ()>(())));
    call().await.unwrap();
    assert_eq!(call().await.unwrap_err().rejected().unwrap().why(), Why::Expired);

    let web = service_fn(|_: Request<()>| ready(Ok::<_, BoxError>(http::Response::new(String::new()))));
    let service = builder.build().unwrap().layer().http().layer(web);
    assert_eq!(service.clone().oneshot(Request::new(())).await.unwrap().status(), StatusCode::OK);
    let rejected = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(rejected.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rejected.headers()[RETRY_AFTER], "10");
}

/// A breaker in the same group: a call in line takes nothing from the breaker, and is judged by it when its turn has come.
#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_meanwhile_rejects_who_has_waited_and_the_permit_is_kept_for_others() {
    let (breaker, limit) = (CircuitBreaker::builder("search").build().unwrap(), patient(per_second(1), 1, 10));
    let guard = guard((limit.clone(), breaker.clone()));
    let call = || Box::pin(guard.call(&(), || ready(Ok::<_, ()>(()))));
    call().await.unwrap();
    let waits = spawn_call(&guard);
    tokio::time::advance(MILLISECOND).await;
    assert_eq!(limit.waiting(), 1);
    breaker.force_open();
    assert_eq!(waits.await.unwrap().unwrap_err().rejected().unwrap().why(), Why::Open);
    assert_eq!(limit.free(), 1, "what it took it gave back");
}
