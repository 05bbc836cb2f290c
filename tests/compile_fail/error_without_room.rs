//! A policy around a service whose error carries no rejection.
use cofferdam::{Bulkhead, Policy};
use tower::{Service, ServiceBuilder, service_fn};

struct SoldOut;

fn serve(_: impl Service<u32>) {}

fn main() {
    let slots = Bulkhead::builder("shop").build().unwrap();
    let service =
        ServiceBuilder::new().layer(slots.layer()).service(service_fn(|_: u32| async { Err::<(), _>(SoldOut) }));
    serve(service);
}
