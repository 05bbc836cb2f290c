//! Reqwest's own client behind a stack: its client is a Tower service, with requests and responses of its own.
//!
//! ```console
//! cargo run --example reqwest_client -- http://127.0.0.1:3000/
//! cargo run --example reqwest_client -- --quick     # starts a service that hangs, and ends
//! ```

use std::time::Duration;

use axum::{Router, routing::get};
use bytes::Bytes;
use cofferdam::{BoxError, BreakerState, Bulkhead, CircuitBreaker, Policy, Rejected, Timeout, guard};
use http_body::Body;
use reqwest::{Method, Request, Response, ResponseBuilderExt};
use tower::{ServiceBuilder, ServiceExt};

/// A response of Reqwest as the layers know one. What Reqwest keeps beside it is its URL.
fn into_http(response: Response) -> http::Response<reqwest::Body> {
    let url = http::Response::builder().url(response.url().clone()).body(());
    let mut response = http::Response::from(response);
    if let Ok(url) = url {
        response.extensions_mut().extend(url.into_parts().0.extensions);
    }
    response
}

/// And back, for `.text()`, `.json()` and all that.
fn into_reqwest<B>(response: http::Response<B>) -> Response
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    response.map(reqwest::Body::wrap).into()
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let argument = std::env::args().nth(1);
    let quick = argument.as_deref() == Some("--quick");
    let url = match argument {
        Some(url) if !quick => url,
        _ => serve().await?,
    };
    // Around the connector: it judges connections and nothing else, and keeps nobody waiting for one.
    let connecting = CircuitBreaker::builder("connect to search").build()?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .connector_layer(Timeout::builder("connect to search").attempt(Duration::from_secs(1)).build()?)
        // Of these, unlike in a `ServiceBuilder`, the last is the outermost.
        .connector_layer(connecting.layer())
        .build()?;

    let breaker = CircuitBreaker::builder("search").consecutive_failures(3).build()?;
    let search = ServiceBuilder::new()
        // Callers go on with Reqwest's responses: outermost.
        .map_response(into_reqwest)
        // The breaker is first, so that an open one costs no slot. Rejections are responses: 503, with `Retry-After`.
        .layer(guard((breaker.clone(), Bulkhead::builder("search").limit(16).build()?)).http())
        // A call that takes longer is a 504, which the breaker counts; so it stands inside of that.
        .layer(Timeout::builder("search").attempt(Duration::from_millis(100)).http().build()?)
        .map_response(into_http)
        .service(client);

    for call in 1..=6 {
        let response = search.clone().oneshot(Request::new(Method::GET, url.parse()?)).await?;
        let rejected = response.extensions().get::<Rejected>().copied();
        println!("{call} {} {}", response.status(), rejected.map(|by| by.to_string()).unwrap_or_default());
        drop(response.text().await?);
    }
    if quick {
        assert_eq!(breaker.state(), BreakerState::Open);
    }
    Ok(())
}

/// A service that hangs.
async fn serve() -> Result<String, BoxError> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/", get(std::future::pending::<()>));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}/"))
}
