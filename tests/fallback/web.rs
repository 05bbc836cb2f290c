//! Over HTTP: what is a failure, and how an answer in its place is marked.

use bytes::Bytes;
use cofferdam::{Degraded, Http, Outcome, rejection};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};

use super::*;

type Whole = Response<Full<Bytes>>;

fn response(status: u16, text: &'static str) -> Whole {
    Response::builder().status(status).body(Full::from(text)).unwrap()
}

/// A service with that status, or an error for none.
async fn answering(request: Request<u16>) -> Result<Whole, Broken> {
    match *request.body() {
        0 => Err(Broken),
        status => Ok(response(status, "own")),
    }
}

#[tokio::test]
async fn each_cause_is_told_by_its_name_over_http() {
    let layer = Fallback::function(|failed: Failed<Whole, Broken>| {
        Ok(match failed.cause() {
            Cause::Failure => response(200, "failure"),
            Cause::Overload => response(200, "overload"),
            _ => response(200, "else"),
        })
    })
    .http();
    let service = layer.layer(service_fn(answering));
    let cases = [
        (200, "own"),
        (404, "own"),
        (500, "failure"),
        (502, "failure"),
        (429, "overload"),
        (503, "overload"),
        (0, "failure"),
    ];
    for (status, expected) in cases {
        let answer = service.clone().oneshot(Request::new(status)).await.unwrap();
        assert_eq!(answer.extensions().get::<Degraded>().is_some(), expected != "own", "{status}");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), expected, "{status}");
    }
}

#[tokio::test]
async fn defect_171_a_degraded_answer_is_marked() {
    // Given a fallback that marks its answers with a header too
    let mark = (HeaderName::from_static("x-degraded"), HeaderValue::from_static("1"));
    let layer = Fallback::value(response(200, "[]")).http().header(mark.0, mark.1);
    let service = layer.layer(service_fn(answering));

    // Then an answer in place of another says what that was
    let cases = [(500, Outcome::Failure), (503, Outcome::Overload), (0, Outcome::Failure)];
    for (status, outcome) in cases {
        let answer = service.clone().oneshot(Request::new(status)).await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["x-degraded"]),
            (StatusCode::OK, &HeaderValue::from_static("1"))
        );
        let degraded = answer.extensions().get::<Degraded>().unwrap();
        assert_eq!((degraded.outcome, degraded.rejected), (outcome, None), "{status}");
    }

    // And the service's own answer is not touched
    let answer = service.oneshot(Request::new(200)).await.unwrap();
    assert!(answer.headers().is_empty() && answer.extensions().is_empty());
}

#[tokio::test]
async fn defect_171_guards_outside_see_the_failure_while_the_caller_sees_an_answer() {
    // Given breakers on both sides of a fallback
    let (outer, inner) = (breaker("outer"), breaker("inner"));
    let service = ServiceBuilder::new()
        .layer(outer.clone().layer().http())
        .layer(Fallback::function(|_: Failed<Response<_>, Broken>| Ok(Response::new("[]".into()))).http())
        .layer(inner.clone().layer().http())
        .service(service_fn(answering));
    let read = async |status| {
        let answer = service.clone().oneshot(Request::new(status)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.unwrap().to_bytes()
    };

    // Then both see each failure, whereas the caller sees an answer
    for failures in 1..=3 {
        assert_eq!(read(500).await, "[]");
        assert_eq!((outer.counts().failures, inner.counts().failures), (failures, failures));
    }
    assert_eq!(read(200).await, "own");
    assert_eq!((outer.counts().calls, outer.counts().failures), (4, 3));

    // But a rejection of our own that was answered for is no failure
    inner.force_open();
    let answer = service.clone().oneshot(Request::new(200)).await.unwrap();
    let degraded = *answer.extensions().get::<Degraded>().unwrap();
    assert_eq!(degraded.rejected.unwrap().by().as_str(), "inner");
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "[]");
    assert_eq!((outer.counts().calls, outer.counts().failures), (4, 3));
}

#[tokio::test]
async fn an_answer_that_is_left_as_it_was_keeps_all_it_has() {
    // Given a fallback that leaves rejections alone
    let open = breaker("open");
    let service = ServiceBuilder::new()
        .layer(Fallback::function(|failed: Failed<Response<_>, Broken>| failed.into_answer()).http())
        .layer(open.clone().layer().http())
        .service(service_fn(answering));
    open.force_open();
    let answer = service.oneshot(Request::new(200)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(rejection(&answer).unwrap().why(), Why::Open);
}

#[tokio::test]
async fn what_the_protocol_reads_is_what_is_answered_for() {
    // Given a fallback to whom a 404 is a failure and a 500 is not
    let reads = |status: StatusCode, _: &HeaderMap| match status.as_u16() {
        404 => Outcome::Failure,
        _ => Outcome::Success,
    };
    let layer = Fallback::value(response(200, "[]")).http_with(Http::new().classify(reads));
    let service = layer.layer(service_fn(answering));
    for (status, expected) in [(404, 200), (500, 500), (0, 200)] {
        assert_eq!(service.clone().oneshot(Request::new(status)).await.unwrap().status().as_u16(), expected);
    }
}

#[tokio::test]
async fn defect_173_an_answer_of_one_fallback_is_good_enough_for_the_next() {
    // Given a fallback on one route, and another around all of them
    let service = ServiceBuilder::new()
        .layer(Fallback::value(response(200, "outer")).http())
        .layer(Fallback::value(response(200, "inner")).http())
        .service(service_fn(answering));

    // Then the answer that the inner one found is the answer, still marked as what it is
    let answer = service.clone().oneshot(Request::new(500)).await.unwrap();
    assert_eq!(answer.extensions().get::<Degraded>().unwrap().outcome, Outcome::Failure);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "inner");

    // But if that is none either, the outer one answers
    let service = ServiceBuilder::new()
        .layer(Fallback::value(response(200, "outer")).http())
        .layer(Fallback::value(response(502, "inner")).http())
        .service(service_fn(answering));
    let answer = service.oneshot(Request::new(500)).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "outer");
}

#[tokio::test]
async fn the_failed_answer_lets_go_of_its_slot_before_another_service_is_asked() {
    // Given one slot, which a failed answer holds as long as its body lives, for both services
    let slots = Bulkhead::builder("shared").limit(1).build().unwrap();
    let second =
        slots.clone().layer().http().layer(service_fn(|_: ()| async { Ok::<_, Broken>(response(200, "second")) }));
    let first = slots.clone().layer().http().layer(service_fn(answering));
    let service = Fallback::service(|_: &Request<u16>| (), second).http().layer(first);

    // Then the second service gets it
    let answer = service.oneshot(Request::new(500)).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "second");
    assert_eq!(slots.in_flight(), 0);
}
