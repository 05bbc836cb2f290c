//! A fallback that answers with another body than the service.
use axum::{Router, routing::get};
use bytes::Bytes;
use cofferdam::{Failed, Fallback};
use http::Response;
use http_body_util::Full;

fn main() {
    let fallback = Fallback::function(|_: Failed<_, _>| Ok(Response::new(Full::new(Bytes::from_static(b"sorry")))));
    let _: Router = Router::new().route("/", get(|| async {})).layer(fallback.http());
}
