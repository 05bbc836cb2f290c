//! What only HTTP has, said before `.http()`.
use std::time::Duration;

use cofferdam::{Bulkhead, Policy, Timeout, http::ProblemDetails};

fn main() {
    let slots = Bulkhead::builder("shop").build().unwrap();
    let _ = slots.layer().problem(|rejected| ProblemDetails::of(rejected)).http();
    let _ = Timeout::builder("shop").between_frames(Duration::from_secs(1)).http();
}
