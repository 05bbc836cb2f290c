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
use libfuzzer_sys::{arbitrary::Arbitrary, fuzz_target};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Arbitrary, Debug)]
struct Answer {
    http: u16,
    /// A small number, as most statuses are, or any bytes.
    status: Option<Result<u8, Vec<u8>>>,
    pushback: Option<Result<i64, Vec<u8>>>,
    in_trailers: bool,
}

/// The text of a header, and the header.
fn header(value: &[u8]) -> Option<HeaderValue> {
    HeaderValue::from_bytes(value).ok()
}

/// Whether that status is a failure or an overload.
fn is_bad(status: Option<&[u8]>) -> bool {
    let number = status.and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.parse::<u8>().ok());
    !matches!(number, Some(0 | 1 | 3 | 5 | 6 | 7 | 9..=12 | 16))
}

fuzz_target!(|answer: Answer| {
    let Ok(http) = StatusCode::from_u16(answer.http) else { return };
    let status = answer.status.map(|status| status.map_or_else(|bytes| bytes, |number| number.to_string().into()));
    // The one spelling that a number has for the standard library and not for gRPC.
    if status.as_ref().is_some_and(|text| text.starts_with(b"+")) {
        return;
    }
    let pushback = answer.pushback.map(|asked| asked.map_or_else(|bytes| bytes, |millis| millis.to_string().into()));
    let mut metadata = HeaderMap::new();
    for (name, value) in [("grpc-status", &status), ("grpc-retry-pushback-ms", &pushback)] {
        if let Some(value) = value {
            let Some(value) = header(value) else { return };
            metadata.insert(name, value);
        }
    }
    let (head, trailers) = if answer.in_trailers { (HeaderMap::new(), metadata) } else { (metadata, HeaderMap::new()) };

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
    let seen = status.as_deref().filter(|_| !answer.in_trailers || http == StatusCode::OK);
    assert_eq!(breaker.state() == BreakerState::Open, is_bad(seen));
    if is_bad(seen) {
        // However long the dependency asks for, it is never left alone for longer than the longest open time.
        let rejected = breaker.admit(&(), Instant::now()).unwrap_err();
        assert!(rejected.retry_after().unwrap() <= LONGEST + TICK);
        assert!(breaker.admit(&(), Instant::now().after(LONGEST + TICK)).is_ok());
    }
});
