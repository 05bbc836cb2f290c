//! A service with one method, as generators write it: by `greeter/generate`, from `greeter.proto`. No `protoc` is needed, neither
//! for that nor to build the examples.
#![allow(dead_code, missing_docs, unreachable_pub)] // a server uses one half, and a client the other

include!("generated.rs");
