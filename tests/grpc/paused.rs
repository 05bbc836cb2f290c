//! On a clock that stands still: a dependency that pushes back, and answers that time cuts off.

use super::*;
use cofferdam::{BreakerState, CircuitBreaker, Deadline, Timeout};
use support::poll;
use tokio::time::advance;

/// How long a breaker that opens for one to ten seconds stays open after that answer.
async fn open_for(response: Response<Boxed>) -> Option<Duration> {
    let breaker = CircuitBreaker::builder("asked")
        .consecutive_failures(1)
        .open_time(Duration::from_secs(1))
        .open_time_max(Duration::from_secs(10))
        .open_time_jitter(0.0)
        .build()
        .unwrap();
    let service = breaker.clone().layer().grpc().layer(once(response));
    take(pin!(service.oneshot(()).await.unwrap().into_body()), 2);
    let after = breaker.admit(&(), Instant::now()).err()?.retry_after().unwrap();

    // It is open until then and no longer
    advance(after - Duration::from_millis(1)).await;
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(breaker.admit(&(), Instant::now()).is_err());
    advance(Duration::from_millis(1)).await;
    assert!(breaker.admit(&(), Instant::now()).is_ok());
    Some(after)
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_pushes_back_is_left_alone_up_to_the_cap() {
    // (pushback, milliseconds that the breaker is open)
    let cases = [
        ("5000", 5000),
        ("1", 1000),
        ("0", 1000),
        ("86400000", 10_000),
        ("99999999999999999999999999", 10_000),
        // What asks for no time, or is not understood, is not asked
        ("-1", 1000),
        ("5000.5", 1000),
        ("soon", 1000),
        ("", 1000),
    ];
    for (pushback, millis) in cases {
        let expected = Some(Duration::from_millis(millis));
        for status in ["14", "8", "13"] {
            let head = answer(metadata(status, Some(pushback)), nothing());
            assert_eq!(open_for(head).await, expected, "{pushback:?} in the head");
            let steps = [Message, Status(status, Some(pushback))].to_vec().leak();
            let trailers = Response::new(body(steps));
            assert_eq!(open_for(trailers).await, expected, "{pushback:?} in the trailers");
        }
    }
    // What a good answer asks for is not meant for a breaker
    assert_eq!(open_for(answer(metadata("0", Some("5000")), nothing())).await, None);
}

#[tokio::test(start_paused = true)]
async fn defect_145_an_answer_that_time_cuts_off_ends_with_a_status() {
    // Given a stream that stalls after its first message, and another that outlives the deadline
    let second = Duration::from_secs(1);
    let stalling = Timeout::builder("slow").grpc().between_frames(second).build().unwrap();
    let log = Log::default();
    let frames = || {
        let first = stream::iter([Ok::<_, Broken>(Frame::data(Bytes::from_static(b"x")))]);
        StreamBody::new(futures_util::StreamExt::chain(first, stream::pending()))
    };
    let service = Recording::new("call", Does::Admit, &log).layer().grpc();
    let service = service.layer(stalling.layer(service_fn(|()| async { Ok::<_, Broken>(Response::new(frames())) })));
    let mut body = Box::pin(service.oneshot(()).await.unwrap().into_body());
    assert!(body.frame().await.unwrap().unwrap().is_data());

    // When time is up
    {
        let mut late = pin!(body.frame());
        assert!(poll(late.as_mut()).is_pending());
        advance(second).await;
        let trailers = late.await.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(
            (&trailers["grpc-status"], &trailers["grpc-message"]),
            (&HeaderValue::from_static("4"), &HeaderValue::from_static("the call timed out"))
        );
    }

    // Then that is the end, and a failure
    assert_eq!(log.take(), "call, call Failure");
    assert!(body.is_end_stream() && body.frame().await.is_none());

    let service = Timeout::builder("slow").deadline().grpc().build().unwrap();
    let service = service.layer(service_fn(|_: http::Request<()>| async { Ok::<_, Broken>(Response::new(frames())) }));
    let mut request = http::Request::new(());
    request.extensions_mut().insert(Deadline::after(second));
    let mut body = Box::pin(service.oneshot(request).await.unwrap().into_body());
    assert!(body.frame().await.unwrap().unwrap().is_data());
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-message"], "the deadline passed");
}
