//! Retries of HTTP and gRPC requests on a paused clock.
#![cfg(all(feature = "test-util", feature = "grpc"))]

use std::{
    convert::Infallible,
    fmt::Debug,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{self, Poll},
    time::Duration,
};

use bytes::Bytes;
use cofferdam::{
    Backoff, Bulkhead, Context, Deadline, GivenUp, Instant, Policy, Replay, Retry,
    http::ByMethod,
    retry::{Cloned, Exhausted, RetryLayer},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, response::Parts};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, Service, ServiceExt, service_fn};

type Calls = Arc<AtomicU32>;

/// Answers every call with the same, and counts them.
#[derive(Clone)]
struct Always {
    calls: Calls,
    answer: Parts,
}

fn always(calls: &Calls, answer: http::response::Builder) -> Always {
    Always { calls: calls.clone(), answer: answer.body(()).unwrap().into_parts().0 }
}

impl<B: Body<Error: Debug> + Send + 'static> Service<Request<B>> for Always {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>>>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!(request.attempt().number(), number);
        let answer = Response::from_parts(self.answer.clone(), String::new());
        Box::pin(async move {
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "body");
            Ok(answer)
        })
    }
}

fn status(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}

fn request(method: Method) -> Request<String> {
    Request::builder().method(method).body("body".to_string()).unwrap()
}

macro_rules! two {
    () => {
        Retry::builder("http").attempts(2).backoff(Backoff::constant(Duration::from_millis(10)))
    };
}

#[tokio::test(start_paused = true)]
async fn defect_104_a_request_that_may_do_harm_twice_is_sent_once() {
    for (method, key, made) in [
        (Method::GET, false, 2),
        (Method::PUT, false, 2),
        (Method::DELETE, false, 2),
        (Method::POST, false, 1),
        (Method::PATCH, false, 1),
        (Method::POST, true, 2),
    ] {
        let calls = Calls::default();
        let mut request = request(method);
        if key {
            request.headers_mut().insert("idempotency-key", "1".parse().unwrap());
        }
        let service = two!().http().build().unwrap().layer(always(&calls, status(500)));
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made);
        let exhausted = response.extensions().get::<Exhausted>().map(|exhausted| exhausted.why);
        assert_eq!(exhausted, (made == 2).then_some(GivenUp::Attempts));
    }
}

#[tokio::test(start_paused = true)]
async fn defect_215_a_500_is_tried_again_and_a_404_is_not() {
    for (code, made) in [(200, 1), (404, 1), (429, 2), (500, 2), (503, 2)] {
        let calls = Calls::default();
        let service = two!().http().build().unwrap().layer(always(&calls, status(code)));
        service.oneshot(request(Method::GET)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made, "{code}");
    }
}

/// A response holds its slot until its body is read, and nobody reads that of one that failed.
#[tokio::test(start_paused = true)]
async fn defect_83_the_slot_of_an_answer_that_failed_is_free_for_the_next_attempt() {
    let slot = Bulkhead::builder("one").limit(1).build().unwrap();
    let failing = service_fn(|_: Request<Replay<String>>| async {
        Ok::<_, Infallible>(Response::builder().status(500).body(Full::new(Bytes::from("sorry"))).unwrap())
    });
    let service = two!().http().build().unwrap().layer(slot.clone().layer().http().layer(failing));
    let response = service.oneshot(request(Method::GET)).await.unwrap();
    assert_eq!(response.status(), 500, "the second attempt was let in, too");
    assert_eq!(response.extensions().get::<Exhausted>().unwrap().attempts, 2);
    drop(response);
    assert_eq!(slot.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn defect_105_what_is_asked_for_is_waited_for_or_given_up() {
    let ms = Duration::from_millis;
    for (asked, waited) in [
        ("0", Some(ms(10))),
        ("-1", Some(ms(10))),
        ("1e9", Some(ms(10))),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(ms(10))),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
        ("\u{663}", Some(ms(10))),
        ("2", Some(ms(2010))),
        ("31", None),
        ("9223372037", None),
        ("18446744073709551615", None),
    ] {
        let calls = Calls::default();
        let answer = status(503).header("retry-after", asked);
        let service = two!().http().build().unwrap().layer(always(&calls, answer));
        let start = Instant::now();
        let response = service.oneshot(request(Method::GET)).await.unwrap();
        let took = Instant::now().since(start);
        let expected = waited.unwrap_or_default();
        assert!((expected..=expected + ms(2)).contains(&took), "{asked}: {took:?}");
        let why = if waited.is_some() { GivenUp::Attempts } else { GivenUp::LeftAlone };
        assert_eq!(response.extensions().get::<Exhausted>().unwrap().why, why);
    }
}

#[tokio::test(start_paused = true)]
async fn defect_117_what_is_asked_for_is_not_waited_for_past_the_deadline() {
    let calls = Calls::default();
    let answer = status(503).header("retry-after", "2");
    let service = two!().http().build().unwrap().layer(always(&calls, answer));
    let mut request = request(Method::GET);
    request.set_deadline(Deadline::after(Duration::from_secs(1)));
    let start = Instant::now();
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.extensions().get::<Exhausted>().unwrap().why, GivenUp::Time);
    assert_eq!(Instant::now().since(start), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn defect_115_what_was_given_up_further_in_is_not_tried_again() {
    let calls = Calls::default();
    let inner = two!().http().build().unwrap().layer(always(&calls, status(500)));
    let service = two!().http().build().unwrap().layer(inner);
    service.oneshot(request(Method::GET)).await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_method_is_called_again_if_that_was_said_and_the_server_does_not_mind() {
    for (said, pushback, made) in [(false, None, 1), (true, None, 2), (true, Some("-1"), 1), (true, Some("5"), 2)] {
        let calls = Calls::default();
        let mut answer = status(200).header("grpc-status", "14");
        if let Some(pushback) = pushback {
            answer = answer.header("grpc-retry-pushback-ms", pushback);
        }
        let layer: RetryLayer<_, _, _> = two!().grpc().idempotent(move |_: &Request<String>| said).build().unwrap();
        layer.layer(always(&calls, answer)).oneshot(request(Method::POST)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made, "{said} {pushback:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn defect_120_a_status_in_trailers_is_passed_on_as_it_came() {
    // A status in the head calls for another attempt. One behind a message is known only when the answer is half passed on,
    // so nothing is kept back to look at it, and nothing of it is lost.
    for (message, in_trailers, made) in [("", false, 2), ("", true, 1), ("half", true, 1)] {
        let calls = Calls::default();
        let counts = calls.clone();
        let service = service_fn(move |_: Request<Replay<String>>| {
            counts.fetch_add(1, Ordering::SeqCst);
            let status = HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from(14))]);
            let (head, trailers) = if in_trailers { (HeaderMap::new(), Some(Ok(status))) } else { (status, None) };
            let body = Full::new(Bytes::from(message)).with_trailers(std::future::ready(trailers));
            let mut response = Response::new(body);
            *response.headers_mut() = head;
            async move { Ok::<_, Infallible>(response) }
        });
        let layer = two!().grpc().idempotent(|_: &Request<String>| true).build().unwrap();
        let response = layer.layer(service).oneshot(request(Method::POST)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made, "{message:?} {in_trailers}");
        let whole = response.into_body().collect().await.unwrap();
        let trailers = whole.trailers().map(|trailers| trailers["grpc-status"].clone());
        assert_eq!(trailers, in_trailers.then(|| HeaderValue::from(14)));
        assert_eq!(whole.to_bytes(), message);
    }
}

/// Whoever has bodies that are `Clone` may have them cloned; then the service is sent what it was sent.
#[tokio::test(start_paused = true)]
async fn a_body_may_be_cloned_instead() {
    for (method, made) in [(Method::PUT, 2), (Method::POST, 1)] {
        let calls = Calls::default();
        let layer = two!().http().repeat(Cloned::default()).idempotent(ByMethod).build().unwrap();
        let service = layer.layer(always(&calls, status(500)).map_request(|request: Request<String>| request));
        service.oneshot(request(method)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), made);
    }
}
