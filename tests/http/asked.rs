//! A dependency that asks to be left alone for a while.

use super::*;
use tokio::time::advance;

/// A breaker that opens at the first failure for a second, and at most for ten.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder("asked")
        .consecutive_failures(1)
        .open_time(Duration::from_secs(1))
        .open_time_max(Duration::from_secs(10))
        .open_time_jitter(0.0)
        .build()
        .unwrap()
}

/// How long a breaker stays open after an answer with that status and that header.
async fn open_for(status: u16, retry_after: Option<String>) -> Duration {
    let breaker = breaker();
    let layer = breaker.clone().layer().http();
    let service = layer.layer(service_fn(move |(): ()| {
        let mut response = Response::builder().status(status);
        if let Some(text) = &retry_after {
            response = response.header(header::RETRY_AFTER, text);
        }
        let response = response.body(Full::<Bytes>::default()).unwrap();
        async { Ok::<_, Broken>(response) }
    }));
    drop(service.clone().oneshot(()).await.unwrap());
    assert_eq!(breaker.state(), BreakerState::Open);
    let rejected = service.clone().oneshot(()).await.unwrap();
    let after = rejection(&rejected).unwrap().retry_after().unwrap();

    // It is open until then and no longer
    advance(after - Duration::from_millis(1)).await;
    assert!(rejection(&service.clone().oneshot(()).await.unwrap()).is_some());
    advance(Duration::from_millis(1)).await;
    assert!(rejection(&service.oneshot(()).await.unwrap()).is_none());
    after
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_asks_to_be_left_alone_is_left_alone_up_to_the_cap() {
    let secs = Duration::from_secs;
    // In seconds: longer than the open time, shorter, and longer than the cap
    assert_eq!(open_for(503, Some("5".into())).await, secs(5));
    assert_eq!(open_for(429, Some("5".into())).await, secs(5));
    assert_eq!(open_for(500, Some("5".into())).await, secs(5));
    assert_eq!(open_for(503, Some("0".into())).await, secs(1));
    assert_eq!(open_for(503, Some("86400".into())).await, secs(10));
    assert_eq!(open_for(503, Some("99999999999999999999999999".into())).await, secs(10));

    // What is not understood is not asked
    for text in ["soon", "-1", "1.5", ""] {
        assert_eq!(open_for(503, Some(text.into())).await, secs(1), "{text:?}");
    }
    assert_eq!(open_for(503, None).await, secs(1));
}

#[tokio::test(start_paused = true)]
#[allow(clippy::disallowed_methods)] // a date is compared with the calendar
async fn the_same_as_a_date() {
    // A date has whole seconds, so a little less than the five may be left of it
    let date = |secs| httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(secs));
    let after = open_for(503, Some(date(5))).await;
    assert!((Duration::from_secs(3)..=Duration::from_secs(5)).contains(&after), "{after:?}");
    assert_eq!(open_for(503, Some(date(86_400))).await, Duration::from_secs(10));

    // One that has passed asks for nothing
    assert_eq!(open_for(503, Some("Sun, 06 Nov 1994 08:49:37 GMT".into())).await, Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_a_good_answer_asks_for_is_not_meant_for_a_breaker() {
    // Given a 200 that asks to be polled again in five seconds, and then a failure
    let breaker = breaker();
    let layer = breaker.clone().layer().http();
    let service = layer.layer(service_fn(|status: u16| async move {
        let response = Response::builder().status(status);
        let response = if status == 200 { response.header(header::RETRY_AFTER, "5") } else { response };
        Ok::<_, Broken>(response.body(Full::<Bytes>::default()).unwrap())
    }));
    drop(service.clone().oneshot(200).await);
    drop(service.clone().oneshot(500).await);

    // Then the breaker is open for its own time
    let rejected = service.oneshot(200).await.unwrap();
    assert_eq!(rejection(&rejected).unwrap().retry_after(), Some(Duration::from_secs(1)));
}
