//! A policy around an Axum router without `.http()`.
use axum::{Router, routing::get};
use cofferdam::{CircuitBreaker, guard};

fn main() {
    let breaker = CircuitBreaker::builder("shop").build().unwrap();
    let _: Router = Router::new().route("/", get(|| async {})).layer(guard(breaker));
}
