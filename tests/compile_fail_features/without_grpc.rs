//! What a feature brings, without the feature.
use cofferdam::Grpc;

fn main() {
    let _ = cofferdam::grpc::Code::Ok;
}
