//! An error that is converted outside of the layer that needs it converted.
use cofferdam::{BoxError, Bulkhead, Policy};
use tower::{Service, ServiceBuilder, service_fn};

fn serve(_: impl Service<u32>) {}

fn main() {
    let slots = Bulkhead::builder("shop").build().unwrap();
    let service = ServiceBuilder::new()
        .map_err(BoxError::from)
        .layer(slots.layer())
        .service(service_fn(|_: u32| async { Err::<(), _>(std::io::Error::other("sold out")) }));
    serve(service);
}
