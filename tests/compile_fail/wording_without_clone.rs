//! A layer of a router is cloned, and with it what words its rejections.
//!
//! The long name is on purpose: the compiler words what is shorter than a line in another way, and the line holds the path.
use axum::{Router, routing::get};
use cofferdam::{Bulkhead, Policy, http::ProblemDetails};

struct TextsOfEveryLanguage(String);

fn main() {
    let texts = TextsOfEveryLanguage(String::from("we are busy"));
    let slots = Bulkhead::builder("shop").build().unwrap();
    let layer =
        slots.layer().http().problem(move |rejected| ProblemDetails::of(rejected).detail({ &texts }.0.clone()));
    let _: Router = Router::new().route("/", get(|| async {})).layer(layer);
}
