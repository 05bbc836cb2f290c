//! Uploads that break off on their way through a client, HTTP/1 and HTTP/2.

use std::{error::Error, io, iter::successors, sync::Arc};

use axum::{Router, body::Body, routing::any};
use bytes::Bytes;
use cofferdam::{BreakerState, Http, Outcome, Replay};
use futures_util::{StreamExt, stream};
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{self, Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::sync::Semaphore;
use tower::{ServiceBuilder, ServiceExt};

use crate::support::{Version, serve, within};

/// As the documentation has it.
fn upload_broke_off(error: &(dyn Error + 'static)) -> bool {
    successors(Some(error), |error| (*error).source()).any(|error| {
        let (one, two) = (error.downcast_ref::<hyper::Error>(), error.downcast_ref::<h2::Error>());
        one.is_some_and(hyper::Error::is_user)
            || two.is_some_and(|error| error.is_reset() && !error.is_remote() && !error.is_library())
    })
}

fn client(version: Version) -> Client<HttpConnector, Replay<Body>> {
    Client::builder(TokioExecutor::new()).http2_only(version == Version::Two).build_http()
}

/// One that breaks off when some of it has arrived, as when its caller goes.
fn breaks_off(arrived: Arc<Semaphore>) -> Body {
    let broken = stream::once(async move {
        arrived.acquire().await.unwrap().forget();
        Err(io::Error::other("the caller has gone"))
    });
    Body::from_stream(stream::once(async { Ok(Bytes::from("part")) }).chain(broken))
}

#[tokio::test]
async fn callers_who_go_in_the_midst_of_their_uploads_open_no_breaker_if_one_says_so() {
    let arrived = Arc::new(Semaphore::new(0));
    let arrives = Arc::clone(&arrived);
    let store = any(move |mut body: Body| async move {
        while let Some(Ok(_)) = body.frame().await {
            arrives.add_permits(1);
        }
        "stored"
    });
    let address = serve(Router::new().route("/", store)).await;
    for version in [Version::One, Version::Two] {
        // Given a client that is told which errors are not those of the dependency
        let protocol = Http::new().classify_errors(|error: &legacy::Error| match upload_broke_off(error) {
            true => Outcome::Ignored,
            false => Outcome::Failure,
        });
        let stack = cofferdam::http::client("storage").protocol(protocol).build().unwrap();
        let storage = ServiceBuilder::new().layer(stack.clone()).service(client(version));
        let send = |method, body| {
            let request = Request::builder().method(method).uri(format!("http://{address}/")).body(body).unwrap();
            within("an answer", storage.clone().oneshot(request))
        };

        // When many uploads break off, then each is an error, once, and no failure of the dependency
        for method in [Method::PUT, Method::POST].into_iter().cycle().take(30) {
            let error = send(method, breaks_off(Arc::clone(&arrived))).await.map(drop).unwrap_err();
            assert!(upload_broke_off(&error), "{version:?}: {error:?}");
        }
        let breaker = stack.breaker().unwrap();
        assert_eq!((breaker.state(), breaker.counts().failures), (BreakerState::Closed, 0), "{version:?}");
        assert_eq!(send(Method::PUT, Body::from("whole")).await.unwrap().status(), 200, "{version:?}");
    }
}
