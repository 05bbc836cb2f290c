//! Any status and any pushback from a dependency, in a head or in trailers: no panic, the breaker opens by what is a bad
//! status and by nothing else, and it closes again in its time.
#![no_main]

use std::{
    convert::Infallible,
    future::ready,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{Admit, BreakerState, CircuitBreaker, Instant, Policy};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use libfuzzer_sys::fuzz_target;
use tower::{Layer, ServiceExt, service_fn};

/// A small number, as most values are, or any bytes.
type Value<N> = Option<Result<N, Vec<u8>>>;

/// The text of that value, if there is one.
fn text<N: ToString>(value: Value<N>) -> Option<Vec<u8>> {
    value.map(|value| value.map_or_else(|bytes| bytes, |number| number.to_string().into()))
}

/// Whether that status is a failure or an overload.
fn is_bad(status: Option<&[u8]>) -> bool {
    let number = status.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.parse::<u8>().ok());
    !matches!(number, Some(0 | 1 | 3 | 5 | 6 | 7 | 9..=12 | 16))
}

fuzz_target!(|input: (u16, Value<u8>, Value<i64>, bool)| {
    let (http, status, pushback, in_trailers) = input;
    let Ok(http) = StatusCode::from_u16(http) else { return };
    let (status, pushback) = (text(status), text(pushback));
    // The one spelling that a number has for the standard library and not for gRPC.
    if status.as_ref().is_some_and(|text| text.starts_with(b"+")) {
        return;
    }
    let mut metadata = HeaderMap::new();
    for (name, value) in [("grpc-status", &status), ("grpc-retry-pushback-ms", &pushback)] {
        if let Some(value) = value {
            let Ok(value) = HeaderValue::from_bytes(value) else { return };
            metadata.insert(name, value);
        }
    }
    let (head, trailers) = if in_trailers { (HeaderMap::new(), metadata) } else { (metadata, HeaderMap::new()) };

    // A dependency that answers like this, behind a breaker that opens at the first failure.
    const LONGEST: Duration = Duration::from_secs(60);
    // The clock it reads differs from the one read here by up to that much.
    const TICK: Duration = Duration::from_millis(20);
    let breaker = CircuitBreaker::builder("fuzz").consecutive_failures(1).open_time_max(LONGEST).build().unwrap();
    let service = breaker.clone().layer().grpc().layer(service_fn(move |_: Request<()>| {
        let trailers = ready(Some(Ok(trailers.clone())));
        let mut response = Response::new(Full::new(Bytes::from_static(b"message")).with_trailers(trailers));
        *response.status_mut() = http;
        *response.headers_mut() = head.clone();
        ready(Ok::<_, Infallible>(response))
    }));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(whole)) = pin!(service.oneshot(Request::new(()))).poll(&mut cx) else {
        panic!("an answer that is ready at once")
    };
    assert_eq!(whole.status(), http);
    let Poll::Ready(Ok(_)) = pin!(whole.into_body().collect()).poll(&mut cx) else {
        panic!("a body that is there at once")
    };

    // A status in the trailers of what is no gRPC answer is not looked at.
    let seen = status.as_deref().filter(|_| !in_trailers || http == StatusCode::OK);
    assert_eq!(breaker.state() == BreakerState::Open, is_bad(seen));
    if is_bad(seen) {
        // However long the dependency asks for, it is never left alone for longer than the longest open time.
        let rejected = breaker.admit(&(), Instant::now()).unwrap_err();
        assert!(rejected.retry_after().unwrap() <= LONGEST + TICK);
        assert!(breaker.admit(&(), Instant::now().after(LONGEST + TICK)).is_ok());
    }
});
