//! A timeout around an Axum router without `.http()`.
use std::time::Duration;

use axum::{Router, routing::get};
use cofferdam::Timeout;

fn main() {
    let timeout = Timeout::builder("shop").attempt(Duration::from_secs(1)).build().unwrap();
    let _: Router = Router::new().route("/", get(|| async {})).layer(timeout);
}
