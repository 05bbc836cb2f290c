//! A client of one body behind a stack that sends bodies again, and so sends a body of its own.
use bytes::Bytes;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Service, ServiceBuilder};

fn serve(_: impl Service<http::Request<Full<Bytes>>>) {}

fn main() {
    let stack = cofferdam::http::client("payments").build().unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    serve(ServiceBuilder::new().layer(stack).service(client));
}
