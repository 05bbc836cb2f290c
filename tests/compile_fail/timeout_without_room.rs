//! A timeout around a service whose error carries no rejection.
use std::time::Duration;

use cofferdam::Timeout;
use tower::{Service, ServiceBuilder, service_fn};

struct SoldOut;

fn serve(_: impl Service<u32>) {}

fn main() {
    let timeout = Timeout::builder("shop").attempt(Duration::from_secs(1)).build().unwrap();
    let service = ServiceBuilder::new().layer(timeout).service(service_fn(|_: u32| async { Err::<(), _>(SoldOut) }));
    serve(service);
}
