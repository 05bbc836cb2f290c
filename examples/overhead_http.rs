//! What the stack of a server costs over real sockets: the same router without it and with it, for a tool that counts.
//!
//! ```console
//! benches/wrk.sh                                                         # both, in turns, and what came of it
//! cargo run --release --example overhead_http -- bare 127.0.0.1:3000
//! cargo run --release --example overhead_http -- protected 127.0.0.1:3001
//! cargo run --example overhead_http -- --quick                            # calls both itself, and ends
//! ```

use std::net::SocketAddr;

use axum::{Router, body::Body, routing::get};
use cofferdam::BoxError;
use http::{Request, StatusCode};
use tokio::net::TcpListener;
use tower::ServiceExt;

fn bare() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn protected() -> Result<Router, BoxError> {
    let stack = cofferdam::http::server("shop").build()?;
    Ok(bare().layer(stack.clone()).route_service("/readyz", stack.readiness()))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (app, address) = match arguments[..] {
        ["bare", address] => (bare(), address),
        ["protected", address] => (protected()?, address),
        ["--quick"] => return quick().await,
        _ => return Err("say `bare` or `protected`, and an address, or --quick".into()),
    };
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    Ok(axum::serve(listener, app).await?)
}

/// Both answer alike.
async fn quick() -> Result<(), BoxError> {
    for app in [bare(), protected()?] {
        let response = app.oneshot(Request::new(Body::empty())).await?;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(axum::body::to_bytes(response.into_body(), 100).await?, "hello");
    }
    println!("both answer");
    Ok(())
}
