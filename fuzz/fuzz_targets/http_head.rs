//! Any status and any `Retry-After` from a dependency: no panic, the breaker opens, and it closes again in its time.
#![no_main]

use std::{
    convert::Infallible,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{Admit, BreakerState, CircuitBreaker, Instant, Policy};
use http::{HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use tower::{Layer, ServiceExt, service_fn};

fuzz_target!(|input: (u16, Vec<u8>)| {
    let (status, text) = input;
    let Ok(status) = StatusCode::from_u16(status) else { return };
    let Ok(header) = HeaderValue::from_bytes(&text) else { return };

    // A dependency that answers like this, behind a breaker that opens at the first failure.
    const LONGEST: Duration = Duration::from_secs(60);
    // The clock it reads differs from the one read here by up to that much.
    const TICK: Duration = Duration::from_millis(20);
    let breaker = CircuitBreaker::builder("fuzz").consecutive_failures(1).open_time_max(LONGEST).build().unwrap();
    let service = breaker.clone().layer().http().layer(service_fn(move |_: Request<()>| {
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = status;
        response.headers_mut().insert(RETRY_AFTER, header.clone());
        std::future::ready(Ok::<_, Infallible>(response))
    }));
    let answer = pin!(service.oneshot(Request::new(()))).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(Ok(answer)) = answer else { panic!("an answer that is ready at once") };
    assert_eq!(answer.status(), status);
    drop(answer);

    // It opens by a server's error and by 429, and by nothing else.
    let bad = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    assert_eq!(breaker.state() == BreakerState::Open, bad);
    if bad {
        // However long the dependency asks for, it is never left alone for longer than the longest open time.
        let rejected = breaker.admit(&(), Instant::now()).unwrap_err();
        assert!(rejected.retry_after().unwrap() <= LONGEST + TICK);
        assert!(breaker.admit(&(), Instant::now().after(LONGEST + TICK)).is_ok());
    }
});
