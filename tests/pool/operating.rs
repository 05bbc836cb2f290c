//! What is told of it, and what is seen.

use super::*;

#[test]
fn it_tells_of_its_states_and_recovers_in_time() {
    let pool = Pool::builder("told").slots(64).build().unwrap();
    let (mut a, mut b) = (Dependency::of(&pool, "told a"), Dependency::of(&pool, "told b"));
    let mut now = Instant::ORIGIN.after(START);
    a.work(21, ms(20), 2_000, &mut now);
    b.work(5, ms(20), 1_000, &mut now);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let _listening = observe(move |event: &Event| match event.what {
        What::StateChanged { from, to, .. } if event.by.as_str().starts_with("told") => {
            writes.lock().unwrap().push((event.by.as_str(), from, to));
        }
        _ => {}
    });

    b.call(now).unwrap();
    now = now.after(ms(60));
    for _ in 0..3 {
        assert!(b.call_until_rejected(now, 64).1.is_some());
    }
    assert_eq!(*heard.lock().unwrap(), [("told b", "free", "contained")]);

    b.end_all(Outcome::Success, now);
    now = now.after(ms(9_999));
    b.call(now).unwrap();
    assert_eq!(b.share.state(), PoolState::Contained);
    b.end(Outcome::Success, now);
    b.call(now.after(ms(1))).unwrap();
    assert_eq!(b.share.state(), PoolState::Free);
    assert_eq!(heard.lock().unwrap().last(), Some(&("told b", "contained", "free")));
    assert_eq!(a.share.state(), PoolState::Free);
}

#[test]
fn operators_see_what_is_whose() {
    let (pool, a, mut b, now) = two_that_are_known();
    b.call(now).unwrap();
    let control: &dyn Control = &pool;
    assert_eq!((control.name().as_str(), control.state()), ("front", "1 of 64 taken, 2 shares".to_owned()));
    control.configure("slots", "32").unwrap();
    assert_eq!((pool.slots(), control.settings()[0].value.as_str()), (32, "32"));
    assert!(control.configure("slots", "0").is_err() && control.configure("limit", "3").is_err());
    assert!(control.force("open").is_err());
    assert_eq!(pool.slots(), 32);

    let control: &dyn Control = &b.share;
    assert!(control.state().starts_with("free: 1 taken, "), "{}", control.state());
    assert!(control.settings().is_empty() && control.configure("slots", "3").is_err());
    control.force("reset").unwrap();
    assert_eq!((b.share.guaranteed(), b.share.in_use()), (1.0, 1));
    assert!(control.force("open").is_err());
    assert!(a.share.guaranteed() > 20.0);

    let front = Bulkhead::builder("front").build().unwrap();
    let follows = Pool::builder("front").slots_of(front.usage()).build().unwrap();
    assert!(Control::settings(&follows).is_empty() && Control::configure(&follows, "slots", "3").is_err());
}

#[test]
fn a_shadow_lets_through_what_it_would_have_rejected() {
    let (pool, _a, mut b, now) = two_that_are_known();
    let shadow = Shadow::new(b.share.clone());
    b.call(now).unwrap();
    let now = now.after(ms(60));
    let tokens: Vec<_> = (0..64).map(|_| shadow.admit(&(), now).unwrap()).collect();
    assert!(shadow.would_have_rejected() > 20);
    tokens.into_iter().for_each(|token| shadow.undo(token, now));
    assert_eq!(pool.in_use(), 1);
}

#[cfg(feature = "http")]
#[tokio::test]
async fn over_http_it_is_a_503_that_says_when_to_come_again() {
    use http::{Request, Response};
    use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

    let pool = pool(8);
    let (mut a, mut b) = (Dependency::of(&pool, "a"), Dependency::of(&pool, "b"));
    let mut now = Instant::ORIGIN.after(ms(1));
    a.work(4, ms(20), 500, &mut now);
    b.work(1, ms(20), 40, &mut now);
    // These were not answered since, which is long ago.
    assert_eq!(b.call_until_rejected(now, 5), (5, None));
    let service = ServiceBuilder::new()
        .layer(b.share.clone().layer().http())
        .service(service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(String::new())) }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "30");
}
