//! `.http()` around a service that answers with something else.
use cofferdam::{Bulkhead, Policy};
use tower::{Service, ServiceBuilder, service_fn};

struct Answer;

fn serve(_: impl Service<u32>) {}

fn main() {
    let slots = Bulkhead::builder("shop").build().unwrap();
    let service = ServiceBuilder::new()
        .layer(slots.layer().http())
        .service(service_fn(|_: u32| async { Ok::<_, std::io::Error>(Answer) }));
    serve(service);
}
