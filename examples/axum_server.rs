//! An Axum server that does what it can under any load, and says no to the rest in time.
//!
//! ```console
//! cargo run --example axum_server                # then: curl -i http://127.0.0.1:3000/
//! cargo run --example axum_server -- --quick     # calls itself, and ends
//! ```

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::Request, routing::get};
use bytes::Bytes;
use cofferdam::{
    AdaptiveLimit, BoxError, Bulkhead, ContextHeaders, Keyed, LoadShed, Policy, Rejected, Timeout, context::Trust,
    http::ProblemDetails,
};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::ServiceBuilder;

/// What a rejection says to whoever asked.
fn problem(rejected: &Rejected) -> ProblemDetails {
    ProblemDetails::of(rejected).kind("https://shop.example/problems/busy").title("The shop is busy")
}

/// Whose request it is.
fn tenant(request: &Request) -> &str {
    request.headers().get("x-tenant").and_then(|name| name.to_str().ok()).unwrap_or_default()
}

fn app() -> Result<Router, BoxError> {
    // One slot per tenant for reports, which are heavy: a layer of this route only, with a policy for each key.
    let reports = Keyed::builder(Bulkhead::builder("reports").limit(1).build()?).by_text(tenant).build()?;

    // As many calls at a time as get done, found by measuring; the rest waits by rank, or is told no.
    let shed = LoadShed::builder(AdaptiveLimit::builder("shop").deadline().build()?).build()?;

    // Of several layers, the first is the outermost.
    let around_everything = ServiceBuilder::new()
        // Reads how much time is left for a request and how much it matters: before anybody asks for that.
        .layer(ContextHeaders::default().inbound(Trust::builder().longest_deadline(Duration::from_secs(10)).build()?))
        // Sheds before any work is done. It stands outside of the timeout: who waits for a slot has not begun.
        .layer(shed.layer().http().problem(problem))
        // Ends what takes too long, and what nobody waits for any more: innermost, as that is where the time goes.
        .layer(
            Timeout::builder("shop").attempt(Duration::from_millis(500)).deadline().http().problem(problem).build()?,
        );

    Ok(Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/slow", get(std::future::pending::<()>))
        .route("/reports", get(report).layer(reports.layer().http().problem(problem)))
        // The layers of all routes: they share one limit.
        .layer(around_everything))
}

async fn report() -> &'static str {
    tokio::time::sleep(Duration::from_millis(200)).await;
    "a report\n"
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let argument = std::env::args().nth(1);
    let quick = argument.as_deref() == Some("--quick");
    let address = match argument {
        Some(address) if !quick => address,
        _ => format!("127.0.0.1:{}", if quick { 0 } else { 3000 }),
    };
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on http://{}/", listener.local_addr()?);
    let (address, server) = (listener.local_addr()?, axum::serve(listener, app()?));
    if quick {
        tokio::spawn(async move { server.await });
        return call(address).await;
    }
    Ok(server.await?)
}

/// What a client sees.
async fn call(address: SocketAddr) -> Result<(), BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let get = |path: &str, tenant: &str| {
        let request = http::Request::get(format!("http://{address}{path}")).header("x-tenant", tenant);
        let answer = request.body(Empty::new()).map(|request| client.request(request));
        async move {
            let response = answer?.await?;
            let status = response.status().as_u16();
            let text = String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned();
            println!("{status} {}", text.trim());
            Ok::<_, BoxError>(status)
        }
    };
    assert_eq!(get("/", "acme").await?, 200);
    assert_eq!(get("/slow", "acme").await?, 504);
    // Of two reports for one tenant, one is refused; another tenant does not notice.
    let (one, two, other) = tokio::join!(get("/reports", "acme"), get("/reports", "acme"), get("/reports", "zenith"));
    let mut acme = [one?, two?];
    acme.sort();
    assert_eq!((acme, other?), ([200, 503], 200));
    Ok(())
}
