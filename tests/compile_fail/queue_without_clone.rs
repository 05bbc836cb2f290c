//! A call that waits takes a clone of the service along.

use std::{cell::Cell, future::Ready};

use cofferdam::{BoxError, Bulkhead, Policy};
use tower::{Layer, Service};

/// Not `Clone`.
struct Connection(Cell<u32>);

impl Service<u32> for Connection {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        self.0.set(request);
        std::future::ready(Ok(request))
    }
}

fn serve(_: impl Service<u32>) {}

fn main() {
    // Without a line it need not be.
    let slots = Bulkhead::builder("reports").build().unwrap();
    serve(slots.layer().layer(Connection(Cell::new(0))));

    let queued = Bulkhead::builder("reports").queue(10).build().unwrap();
    serve(queued.layer().layer(Connection(Cell::new(0))));
}
