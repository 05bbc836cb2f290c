//! Answers over HTTP and gRPC, and what travels in headers.

use super::*;

#[cfg(feature = "http")]
#[test]
fn an_http_answer_allocates_nothing() {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::Response;
    use http_body_util::{BodyExt, Empty, Full};

    fn policies() -> (CircuitBreaker, Bulkhead) {
        (patient(), slots())
    }

    // No body: the call ends with the head.
    let empty = |_: u32| std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())));
    let mut service = guard(policies()).http().layer(service_fn(empty));
    allocates_nothing("http, empty body", || assert!(call(&mut service, 2).unwrap().status().is_success()));

    // A body in one piece: the call ends with the last frame.
    let body = Full::new(Bytes::from_static(b"hello"));
    let full = move |_: u32| std::future::ready(Ok::<_, Infallible>(Response::new(body.clone())));
    let policies = policies();
    let mut service = guard(policies.clone()).http().layer(service_fn(full));
    allocates_nothing("http, one frame", || {
        let mut response = call(&mut service, 2).unwrap();
        let frame = now_or_never(response.body_mut().frame()).unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap().len(), 5);
        assert_eq!(policies.1.in_flight(), 0);
    });
}

/// Text from outside is whatever somebody sends, however much of it: reading it takes no memory.
#[test]
fn reading_and_writing_a_context_allocates_nothing() {
    use cofferdam::{Deadline, context::Trust};

    let (trust, long, deadline) = (Trust::default(), "9".repeat(100_000), Deadline::after(Duration::from_secs(60)));
    for text in ["250m", "17", "CRITICAL_PLUS", "order 4711", "00000000000000ff", "ß", "", &long] {
        allocates_nothing(text.get(..20).unwrap_or(text), || {
            let deadlines = (trust.deadline(text), trust.deadline_in_millis(text));
            let attempts = (trust.attempt(text), trust.attempt_after(text));
            std::hint::black_box((deadlines, attempts, trust.criticality(text), trust.task(text)));
        });
    }
    allocates_nothing("the time that is left", || {
        std::hint::black_box(deadline.to_timeout().as_str());
    });
    #[cfg(feature = "http")]
    {
        use cofferdam::{Context as _, Criticality, TaskKey};

        let mut caller = http::Request::new(());
        caller.set_deadline(deadline);
        caller.set_criticality(Criticality::Sheddable);
        caller.set_task(TaskKey::of("order 4711"));
        allocates_nothing("what an HTTP request carries", || {
            let carried = (caller.deadline(), caller.criticality(), caller.attempt(), caller.task());
            std::hint::black_box(carried);
        });
    }
}

/// What a hop needs besides the maps: nothing to read, and to write, the text of each header whose text is not always there.
#[cfg(feature = "http")]
#[test]
fn a_hop_allocates_the_text_of_what_it_writes() {
    use cofferdam::{Context as _, ContextHeaders, Criticality, Deadline, TaskKey, context::Carried, context::Trust};
    use http::{HeaderMap, HeaderValue};

    /// Allocations of writing this over what is there.
    fn written(headers: &ContextHeaders, carried: &Carried, map: &mut HeaderMap) -> u64 {
        for name in ["x-request-criticality", "x-request-timeout-ms", "x-request-task", "x-timeout"] {
            map.insert(name, HeaderValue::from_static("unreadable"));
        }
        let before = ALLOCATIONS.get();
        headers.write(carried, map);
        ALLOCATIONS.get() - before
    }

    let (headers, mut map) = (ContextHeaders::builder().timeout("x-timeout").build().unwrap(), HeaderMap::new());
    let mut carried = Carried::default();
    carried.set_criticality(Criticality::Sheddable);
    assert_eq!(written(&headers, &carried, &mut map), 0);
    carried.set_task(TaskKey::random());
    assert_eq!(written(&headers, &carried, &mut map), 1);
    carried.set_deadline(Deadline::after(Duration::from_secs(60)));
    assert_eq!(written(&headers, &carried, &mut map), 3);

    let trust = Trust::default();
    written(&headers, &carried, &mut map);
    let before = ALLOCATIONS.get();
    assert_eq!(headers.take(&mut map, &trust).task(), carried.task());
    assert_eq!(ALLOCATIONS.get() - before, 0);
}

#[cfg(feature = "grpc")]
#[test]
fn a_grpc_answer_allocates_nothing() {
    use std::convert::Infallible;

    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue, Response};
    use http_body_util::{BodyExt, Empty, Full};

    // What a service makes of its own is made before: a status for each call.
    fn statuses() -> Vec<HeaderMap> {
        let status = || (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
        (0..64 + CALLS).map(|_| HeaderMap::from_iter([status()])).collect()
    }
    let policies = (patient(), slots());

    // The status in the head: the call ends with it.
    let mut heads = statuses();
    let empty = move |_: u32| {
        let mut response = Response::new(Empty::<Bytes>::new());
        *response.headers_mut() = heads.pop().unwrap();
        std::future::ready(Ok::<_, Infallible>(response))
    };
    let mut service = guard(policies.clone()).grpc().layer(service_fn(empty));
    allocates_nothing("grpc, trailers only", || {
        let _response = call(&mut service, 2).unwrap();
        assert_eq!(policies.1.in_flight(), 0);
    });

    // A message, and the status in the trailers.
    let mut trailers = statuses();
    let message = Full::new(Bytes::from_static(b"hello"));
    let unary = move |_: u32| {
        let trailers = std::future::ready(Some(Ok::<_, Infallible>(trailers.pop().unwrap())));
        std::future::ready(Ok::<_, Infallible>(Response::new(message.clone().with_trailers(trailers))))
    };
    let mut service = guard(policies.clone()).grpc().layer(service_fn(unary));
    allocates_nothing("grpc, one message", || {
        let mut response = call(&mut service, 2).unwrap();
        assert!(now_or_never(response.body_mut().frame()).unwrap().unwrap().is_data());
        assert_eq!(policies.1.in_flight(), 1);
        assert!(now_or_never(response.body_mut().frame()).unwrap().unwrap().is_trailers());
        assert_eq!(policies.1.in_flight(), 0);
    });
    assert_eq!(policies.0.counts().failures, 0);
}
