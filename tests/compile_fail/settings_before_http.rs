//! What only HTTP has, said before `.http()`.
use cofferdam::{Bulkhead, Policy, http::ProblemDetails};

fn main() {
    let slots = Bulkhead::builder("shop").build().unwrap();
    let _ = slots.layer().problem(|rejected| ProblemDetails::of(rejected)).http();
}
