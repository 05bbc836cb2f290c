//! A fallback around an Axum router without `.http()`.
use axum::{Router, response::Response, routing::get};
use cofferdam::{Failed, Fallback};

fn main() {
    let fallback = Fallback::function(|_: Failed<Response, _>| Ok(Response::new("sorry".into())));
    let _: Router = Router::new().route("/", get(|| async {})).layer(fallback);
}
