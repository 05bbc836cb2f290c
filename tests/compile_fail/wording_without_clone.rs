//! A layer of a router is cloned, and with it what words its rejections.
use axum::{Router, routing::get};
use cofferdam::{Bulkhead, Policy, http::ProblemDetails};

struct Texts(String);

fn main() {
    let texts = Texts(String::from("we are busy"));
    let slots = Bulkhead::builder("shop").build().unwrap();
    let layer =
        slots.layer().http().problem(move |rejected| ProblemDetails::of(rejected).detail({ &texts }.0.clone()));
    let _: Router = Router::new().route("/", get(|| async {})).layer(layer);
}
