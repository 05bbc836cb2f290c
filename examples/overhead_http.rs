//! What the stack of a server costs over real sockets: the same router without it, with it, with a layer that does nothing,
//! and with three of tower's own, for a tool that counts.
//!
//! ```console
//! benches/wrk.sh                                                         # all, in turns, and what came of it
//! cargo run --release --example overhead_http -- bare 127.0.0.1:3000
//! cargo run --release --example overhead_http -- protected 127.0.0.1:3001
//! cargo run --release --example overhead_http -- nothing 127.0.0.1:3002
//! cargo run --release --example overhead_http -- tower 127.0.0.1:3003
//! cargo run --example overhead_http -- --quick                            # calls all itself, and ends
//! ```

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, error_handling::HandleErrorLayer, routing::get};
use cofferdam::BoxError;
use http::{Request, StatusCode};
use tokio::net::TcpListener;
use tower::{ServiceBuilder, ServiceExt};

fn bare() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

fn protected() -> Result<Router, BoxError> {
    let stack = cofferdam::http::server("shop").build()?;
    Ok(bare().layer(stack.clone()).route_service("/readyz", stack.readiness()))
}

/// What any layer costs that a router is given: it boxes the services and futures inside once more.
fn nothing() -> Router {
    bare().layer(tower::util::MapRequestLayer::new(|request: Request<Body>| request))
}

/// What comes nearest to it of tower's own: no deadline that is read or handed on, no order of calls, no limit that adapts,
/// and no drain.
fn tower() -> Router {
    let stack = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|_: BoxError| async { StatusCode::SERVICE_UNAVAILABLE }))
        .load_shed()
        .concurrency_limit(1000)
        .timeout(Duration::from_secs(30));
    bare().layer(stack)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (app, address) = match arguments[..] {
        ["bare", address] => (bare(), address),
        ["protected", address] => (protected()?, address),
        ["nothing", address] => (nothing(), address),
        ["tower", address] => (tower(), address),
        ["--quick"] => return quick().await,
        _ => return Err("say `bare`, `protected`, `nothing` or `tower`, and an address, or --quick".into()),
    };
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    Ok(axum::serve(listener, app).await?)
}

/// All answer alike.
async fn quick() -> Result<(), BoxError> {
    for app in [bare(), protected()?, nothing(), tower()] {
        let response = app.oneshot(Request::new(Body::empty())).await?;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(axum::body::to_bytes(response.into_body(), 100).await?, "hello");
    }
    println!("all answer");
    Ok(())
}
