//! A Hyper client that does not hang on a service that is down, nor keeps it down.
//!
//! ```console
//! cargo run --example hyper_client -- http://127.0.0.1:3000/
//! cargo run --example hyper_client -- --quick     # starts a service that fails for a while, and ends
//! ```

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use bytes::Bytes;
use cofferdam::{
    AdaptiveThrottle, Backoff, BoxError, BreakerState, Bulkhead, CircuitBreaker, ContextHeaders, Failed, Fallback,
    Retry, Timeout, guard,
};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let argument = std::env::args().nth(1);
    let quick = argument.as_deref() == Some("--quick");
    let url = match argument {
        Some(url) if !quick => url,
        _ => serve().await?,
    };
    let breaker =
        CircuitBreaker::builder("stock").consecutive_failures(4).open_time(Duration::from_millis(100)).build()?;
    let client = Client::builder(TokioExecutor::new()).build_http::<cofferdam::Replay<Full<Bytes>>>();

    // The first layer is the outermost.
    let stock = ServiceBuilder::new()
        // Answers when nobody else does, marked as such: outermost, as it answers for all that is inside.
        .layer(
            Fallback::function(|_: Failed<Response<_>, _>| Ok(Response::new("probably in stock".into())))
                .http()
                .header(HeaderName::from_static("x-degraded"), HeaderValue::from_static("1")),
        )
        // Tries once more where that is safe and can help. Each attempt passes the guards by itself.
        .layer(
            Retry::builder("stock").attempts(2).backoff(Backoff::constant(Duration::from_millis(10))).http().build()?,
        )
        // One service for several policies: does not call what does not work, sends no more than is taken, and has so
        // many calls at a time at most. The breaker is first, so that an open one costs no slot.
        .layer(
            guard((
                breaker.clone(),
                AdaptiveThrottle::builder("stock").build()?,
                Bulkhead::builder("stock").limit(32).build()?,
            ))
            .http(),
        )
        // A call that takes longer is a failure, which the breaker counts; so it stands inside of that.
        .layer(
            Timeout::builder("stock")
                .attempt(Duration::from_millis(300))
                .http()
                .between_frames(Duration::from_secs(5))
                .build()?,
        )
        // Tells the service how much time is left and how much it matters: innermost, so that it knows all of that.
        .layer(ContextHeaders::default().outbound())
        .service(client);

    let mut degraded = 0;
    for call in 1..=40 {
        let response = stock.clone().oneshot(Request::get(&url).body(Full::default())?).await?;
        degraded += u32::from(response.headers().contains_key("x-degraded"));
        let text = response.into_body().collect().await?.to_bytes();
        println!("{call:>2} {:<9} {}", breaker.state().to_string(), String::from_utf8_lossy(&text));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if quick {
        assert!((2..40).contains(&degraded), "the outage is contained, and has an end: {degraded}");
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
    Ok(())
}

/// A service whose first calls fail.
async fn serve() -> Result<String, BoxError> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let answer = || async {
        if CALLS.fetch_add(1, Ordering::Relaxed) < 6 { Err(StatusCode::INTERNAL_SERVER_ERROR) } else { Ok("in stock") }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(answer))).await });
    Ok(format!("http://{address}/"))
}
