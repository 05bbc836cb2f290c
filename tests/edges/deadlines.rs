//! Callers who have no time, beside others.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use tokio::{task::JoinSet, time::sleep};
use tower::{Layer, ServiceExt, service_fn};

type Body = Empty<bytes::Bytes>;

/// The share of the patient that are served in the second and third second, where of a thousand calls a second, which take 20 ms,
/// so many of ten say that they have no more than 5 ms.
async fn patient_served_beside(hurried: u32) -> f64 {
    let stack = cofferdam::http::server("shop").build().unwrap();
    let service = stack.layer(service_fn(|_: Request<Body>| async {
        sleep(Duration::from_millis(20)).await;
        Ok::<_, Infallible>(Response::new(Body::new()))
    }));
    let mut calls = JoinSet::new();
    for call in 0..3_000 {
        let is_hurried = call % 10 < hurried;
        let mut request = Request::get("/").body(Body::new()).unwrap();
        let limit = if is_hurried { "5" } else { "1000" };
        request.headers_mut().insert("x-request-timeout-ms", limit.parse().unwrap());
        let answer = service.clone().oneshot(request);
        calls.spawn(async move {
            (call >= 1_000 && !is_hurried).then_some(answer.await.unwrap().status() == StatusCode::OK)
        });
        sleep(Duration::from_millis(1)).await;
    }
    let patient: Vec<bool> = calls.join_all().await.into_iter().flatten().collect();
    patient.iter().filter(|served| **served).count() as f64 / patient.len() as f64
}

#[tokio::test(start_paused = true)]
async fn deadlines_that_nobody_can_keep_leave_room_for_those_who_have_time() {
    for hurried in [0, 2, 3, 5, 8] {
        let served = patient_served_beside(hurried).await;
        assert!(served > 0.97, "beside {hurried} of 10: {served:.3}");
    }
}
