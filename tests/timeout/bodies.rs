//! Bodies over HTTP: frames that are late, and deadlines that bound all of them.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;

use super::*;
use support::Broken;

type Frame = Result<http_body::Frame<Bytes>, Broken>;

/// A body that is fed by the test, and where it is fed.
fn fed(
    status: StatusCode,
) -> (mpsc::UnboundedSender<Frame>, Response<impl http_body::Body<Data = Bytes, Error = Broken>>) {
    let (feed, mut frames) = mpsc::unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx));
    let mut response = Response::new(StreamBody::new(frames));
    *response.status_mut() = status;
    (feed, response)
}

fn data(text: &'static str) -> Frame {
    Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes())))
}

/// The body of the one response that the service has, behind that layer.
macro_rules! through {
    ($layer:expr, $response:expr, $request:expr) => {{
        let mut response = Some($response);
        let service = service_fn(move |_: Request<()>| std::future::ready(Ok::<_, Broken>(response.take().unwrap())));
        $layer.layer(service).oneshot($request).await.unwrap()
    }};
}

#[tokio::test(start_paused = true)]
async fn defect_139_a_body_that_stalls_after_the_head_ends_in_an_error() {
    // Given a head, and then nothing
    let (_feed, response) = fed(StatusCode::PARTIAL_CONTENT);
    let layer = Timeout::builder("frames").http().between_frames(ms(300)).build().unwrap();
    let start = Instant::now();
    let response = through!(layer, response, Request::new(()));

    // Then the head has come as it was
    assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);

    // And the body ends at the tick, in an error that says who and why, and then in nothing more
    let mut body = Box::pin(response.into_body());
    let error = body.frame().await.unwrap().unwrap_err();
    let rejected = Rejected::find(error.as_ref()).unwrap();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("frames", Why::TimedOut));
    let took = Instant::now().since(start);
    assert!((ms(300)..=ms(301)).contains(&took), "{took:?}");
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn defect_139_a_stalled_body_is_let_go_of_when_its_time_is_up() {
    // Given a reader that holds on to a body that has stalled
    let (feed, response) = fed(StatusCode::OK);
    let layer = Timeout::builder("frames").http().between_frames(ms(300)).build().unwrap();
    let mut body = Box::pin(through!(layer, response, Request::new(())).into_body());
    assert!(body.frame().await.unwrap().is_err());

    // Then the service's body is gone, so that its connection is free
    assert!(feed.is_closed());
    drop(body);
}

#[tokio::test(start_paused = true)]
async fn defect_139_a_drip_is_judged_frame_by_frame() {
    let layer = || Timeout::builder("frames").http().between_frames(ms(1000)).build().unwrap();

    // Given a byte every 900 ms, for half a minute: slow, but within its limit
    let (feed, response) = fed(StatusCode::OK);
    tokio::spawn(async move {
        for _ in 0..30 {
            sleep(ms(900)).await;
            feed.send(data("x")).unwrap();
        }
    });
    let body = through!(layer(), response, Request::new(())).into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), 30);

    // Given a byte every 1100 ms, there is none
    let (feed, response) = fed(StatusCode::OK);
    tokio::spawn(async move {
        feed.send(data("first")).unwrap();
        sleep(ms(1100)).await;
        let _ = feed.send(data("late"));
    });
    let mut body = Box::pin(through!(layer(), response, Request::new(())).into_body());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    assert_eq!(why(body.frame().await.unwrap()), Why::TimedOut);

    // But a reader who takes his time is not the service's fault
    let (feed, response) = fed(StatusCode::OK);
    feed.send(data("a")).unwrap();
    feed.send(data("b")).unwrap();
    drop(feed);
    let mut body = Box::pin(through!(layer(), response, Request::new(())).into_body());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    advance(ms(60_000)).await;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "b");
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn defect_139_a_deadline_bounds_the_whole_body() {
    // Given a byte every 100 ms, each in time, and a deadline of a second
    let (feed, response) = fed(StatusCode::OK);
    let drip = tokio::spawn(async move {
        while feed.send(data("x")).is_ok() {
            sleep(ms(100)).await;
        }
    });
    let layer = Timeout::builder("whole").deadline().http().between_frames(ms(500)).build().unwrap();
    let mut request = Request::new(());
    let start = Instant::now();
    request.extensions_mut().insert(Deadline::at(start.after(ms(1000))));
    let mut body = Box::pin(through!(layer, response, request).into_body());

    // Then frames come until the deadline, and then the reason why no more do
    let mut frames = 0;
    let reason = loop {
        match body.frame().await.expect("an error comes first") {
            Ok(_) => frames += 1,
            error => break why(error),
        }
    };
    assert_eq!(reason, Why::DeadlineExceeded);
    assert!((9..=11).contains(&frames), "{frames}");
    let took = Instant::now().since(start);
    assert!((ms(1000)..=ms(1001)).contains(&took), "{took:?}");
    support::within("the service hears of it", drip).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn defect_139_a_body_that_is_always_there_ends_at_its_deadline_as_well() {
    let layer = || Timeout::builder("whole").deadline().http().build().unwrap();
    let request = || {
        let mut request = Request::new(());
        request.extensions_mut().insert(Deadline::after(ms(1000)));
        request
    };

    // Given a body that never keeps anybody waiting, and a reader who takes 300 ms for each frame
    let (feed, response) = fed(StatusCode::OK);
    (0..100).for_each(|_| feed.send(data("x")).unwrap());
    let mut body = Box::pin(through!(layer(), response, request()).into_body());
    let mut frames = 0;
    let reason = loop {
        match body.frame().await.expect("an error comes first") {
            Ok(_) => frames += 1,
            error => break why(error),
        }
        advance(ms(300)).await;
    };

    // Then he has what was there by the deadline, and one more, and then the reason why no more does
    assert_eq!((reason, frames), (Why::DeadlineExceeded, 5));
    assert!(feed.is_closed() && body.frame().await.is_none());

    // But one that had all been there ends well
    let (feed, response) = fed(StatusCode::OK);
    ["a", "b"].into_iter().for_each(|text| feed.send(data(text)).unwrap());
    drop(feed);
    let mut body = Box::pin(through!(layer(), response, request()).into_body());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    advance(ms(60_000)).await;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "b");
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn defect_139_the_end_of_a_body_that_is_there_is_not_thrown_away() {
    // Given all of an answer, and a reader who comes when its time is up
    let (feed, response) = fed(StatusCode::OK);
    let trailers = http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("7"))]);
    feed.send(data("x")).unwrap();
    feed.send(Ok(http_body::Frame::trailers(trailers))).unwrap();
    drop(feed);
    let layer = Timeout::builder("whole").deadline().http().build().unwrap();
    let mut request = Request::new(());
    request.extensions_mut().insert(Deadline::after(ms(50)));
    let body = through!(layer, response, request).into_body();
    sleep(ms(100)).await;

    // Then it is all there
    let all = body.collect().await.unwrap();
    assert_eq!(all.trailers().unwrap()["etag"], "7");
    assert_eq!(all.to_bytes(), "x");
}

#[tokio::test(start_paused = true)]
async fn defect_140_the_limit_of_an_attempt_ends_with_its_head() {
    // Given a second for the attempt, a head after 10 ms, and five seconds of body
    let (feed, response) = fed(StatusCode::OK);
    tokio::spawn(async move {
        for _ in 0..5 {
            sleep(ms(1000)).await;
            feed.send(data("x")).unwrap();
        }
    });
    let layer = Timeout::builder("head").attempt(ms(1000)).deadline().http().build().unwrap();
    let mut response = Some(response);
    let service = service_fn(move |_: Request<()>| {
        let response = response.take().unwrap();
        async move {
            sleep(ms(10)).await;
            Ok::<_, Broken>(response)
        }
    });
    let body = layer.layer(service).oneshot(Request::new(())).await.unwrap().into_body();

    // Then it arrives complete
    assert_eq!(body.collect().await.unwrap().to_bytes(), "xxxxx");
}

#[tokio::test(start_paused = true)]
async fn an_error_in_the_body_is_passed_on_with_its_cause() {
    let (feed, response) = fed(StatusCode::OK);
    feed.send(Err(Broken)).unwrap();
    let layer = Timeout::builder("frames").http().between_frames(ms(300)).build().unwrap();
    let mut body = Box::pin(through!(layer, response, Request::new(())).into_body());
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(error.downcast_ref::<Broken>().is_some());
}

#[tokio::test(start_paused = true)]
async fn defect_145_time_that_is_up_is_a_gateway_timeout() {
    // Given a service that hangs, over HTTP, and a breaker outside
    let breaker = CircuitBreaker::builder("hangs").build().unwrap();
    let layer = Timeout::builder("head").attempt(ms(100)).deadline().http().build().unwrap();
    let service = ServiceBuilder::new()
        .layer(breaker.clone().layer().http())
        .layer(layer)
        .service(service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, Broken>>()));

    // When its time is up, its deadline passes, or had passed
    let cases = [
        (None, Why::TimedOut, 1),
        (Some(50), Why::DeadlineExceeded, 2),
        // Not even tried: this says nothing about the dependency.
        (Some(0), Why::Expired, 2),
    ];
    for (left, reason, failures) in cases {
        let mut request = Request::new(());
        if let Some(left) = left {
            request.extensions_mut().insert(Deadline::after(ms(left)));
        }
        let response = service.clone().oneshot(request).await.unwrap();

        // Then it is a 504 that says why, and a failure if there was a call
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(cofferdam::rejection(&response).unwrap().why(), reason);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem["status"].as_u64(), problem["detail"].as_str()), (Some(504), Some(reason.as_str())));
        assert_eq!(breaker.counts().failures, failures);
    }
}
