//! What a call is to it: hung, timed out, rejected, read by a function.

use tokio::time::sleep;

use super::*;

/// Every millisecond a call, and the dependency hangs: with a timeout of a second the breaker opens just after a second,
/// rather than when the first call would have ended.
#[tokio::test(start_paused = true)]
async fn defect_56_calls_that_hang_open_it_within_their_timeout() {
    let breaker = CircuitBreaker::builder("payments").open_time_jitter(0.0).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(breaker.clone().layer())
        .layer(Timeout::builder("payments").attempt(ms(1_000)).build().unwrap())
        .service(service_fn(|()| pending::<Result<(), BoxError>>()));
    for nth in 0..2_000 {
        tokio::spawn(service.clone().oneshot(()));
        sleep(ms(1)).await;
        if breaker.state() == BreakerState::Open {
            // The first timeouts come after a second, and ten of them are enough.
            assert!((1_000..=1_020).contains(&nth), "after {nth} ms");
            return;
        }
    }
    panic!("it never opened");
}

/// The same hung calls are cancelled from outside, by somebody else's timeout: they were slow by then.
#[tokio::test(start_paused = true)]
async fn defect_56_calls_that_hang_open_it_even_if_a_timeout_outside_cancels_them() {
    let breaker = CircuitBreaker::builder("payments").slow_calls(ms(500), 0.9).build().unwrap();
    let guard = breaker.clone().layer();
    for _ in 0..10 {
        assert_eq!(breaker.state(), BreakerState::Closed);
        let call = guard.call(&(), pending::<Result<(), &str>>);
        assert!(tokio::time::timeout(ms(600), call).await.is_err());
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// Our own timeout is the dependency's failure, however deep in the error it is.
#[tokio::test(start_paused = true)]
async fn defect_57_a_timeout_further_in_is_a_failure() {
    let breaker = touchy().consecutive_failures(3).build().unwrap();
    let other = CircuitBreaker::builder("between").consecutive_failures(None).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(breaker.clone().layer())
        .layer(other.layer())
        .layer(Timeout::builder("payments").attempt(ms(100)).build().unwrap())
        .service(service_fn(|()| pending::<Result<(), BoxError>>()));
    for _ in 0..3 {
        let error = service.clone().oneshot(()).await.unwrap_err();
        assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::TimedOut);
    }
    assert_eq!(breaker.state(), BreakerState::Open);
}

/// One function says what became of a call, and it is asked once for each: for `Ok` and for `Err`, in a service and out
/// of one. It is not asked about rejections.
#[tokio::test(start_paused = true)]
async fn defect_59_and_60_one_classifier_is_asked_once_about_everything() {
    let asked = Arc::new(AtomicU32::new(0));
    let breaker = touchy().consecutive_failures(4).build().unwrap();
    let guard = {
        let asked = Arc::clone(&asked);
        breaker.clone().layer().classify(move |answer: Result<&u32, &BoxError>| {
            asked.fetch_add(1, Ordering::SeqCst);
            // A bad answer is a failure, and a refusal is not.
            match answer {
                Ok(500) => Outcome::Failure,
                Ok(_) => Outcome::Success,
                Err(error) if error.to_string() == "not found" => Outcome::Success,
                Err(_) => Outcome::Failure,
            }
        })
    };
    let service = guard.layer(service_fn(|code: u32| async move {
        if code == 404 { Err::<u32, BoxError>("not found".into()) } else { Ok(code) }
    }));
    // Both of these are successes, whatever type they have.
    for code in [200, 404, 200] {
        let _ = service.clone().oneshot(code).await;
    }
    assert_eq!((asked.load(Ordering::SeqCst), breaker.counts().failures), (3, 0));

    // And these are failures: as answers and as errors, as a service and as a call.
    let _ = service.clone().oneshot(500).await;
    let _: Result<u32, _> = guard.call(&0, || async { Ok::<_, BoxError>(500) }).await;
    let _: Result<u32, _> = guard.call(&0, || async { Err::<u32, BoxError>("down".into()) }).await;
    let _ = service.clone().oneshot(500).await;
    assert_eq!((asked.load(Ordering::SeqCst), breaker.state()), (7, BreakerState::Open));

    // A rejection is not classified.
    assert!(service.oneshot(200).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 7);
}

/// A rejection is told apart from a failure by its type, says when to come back, and is nobody's failure further out.
#[tokio::test(start_paused = true)]
async fn defect_61_a_rejection_says_what_it_is() {
    let outer = touchy().build().unwrap();
    let inner = touchy().build().unwrap();
    inner.force_open();
    let service = ServiceBuilder::new()
        .layer(outer.clone().layer())
        .layer(inner.clone().layer())
        .service(service_fn(|()| async { Ok::<_, BoxError>(()) }));
    for _ in 0..100 {
        let error = service.clone().oneshot(()).await.unwrap_err();
        let rejected = Rejected::find(error.as_ref()).expect("typed");
        assert_eq!((rejected.why(), rejected.outcome()), (Why::Open, Outcome::Ignored));
    }
    assert_eq!((outer.state(), outer.counts().calls), (BreakerState::Closed, 0));

    // One that has opened by itself knows for how long.
    let breaker = open(touchy());
    assert_eq!(admit(&breaker, 250).unwrap_err().retry_after(), Some(ms(750)));
}

/// All services of one layer share one breaker, routes of a router too. Another layer is another breaker.
#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn defect_63_one_layer_is_one_breaker() {
    use axum::{Router, body::Body, routing::get};
    use http::{Request, StatusCode};

    let app = |breaker: CircuitBreaker| {
        Router::new()
            .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
            .route("/fine", get(|| async { "fine" }))
            .layer(breaker.layer().http())
    };
    let get = async |app: &Router, path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap_or_else(|never: std::convert::Infallible| match never {}).status()
    };
    let (one, two) = (touchy().build().unwrap(), touchy().build().unwrap());
    let (first, clone_of_first, second) = (app(one.clone()), app(one), app(two));

    // One route of the first trips it: the other route is shut as well, and so is what has a clone of the breaker.
    assert_eq!(get(&first, "/fine").await, StatusCode::OK);
    assert_eq!(get(&first, "/broken").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(get(&first, "/fine").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&clone_of_first, "/fine").await, StatusCode::SERVICE_UNAVAILABLE);
    // Another breaker of the same name is another breaker.
    assert_eq!(get(&second, "/fine").await, StatusCode::OK);
}
