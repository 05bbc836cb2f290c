//! What only bodies have, said before `.http()`.
use std::time::Duration;

use cofferdam::Timeout;

fn main() {
    let second = Duration::from_secs(1);
    let _ = Timeout::builder("shop").attempt(second).between_frames(second).http();
}
