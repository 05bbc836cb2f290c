//! Makes the Rust of `greeter.proto`, with crates alone: no `protoc` is needed.
//!
//! ```console
//! cd examples/greeter/generate && cargo run     # after a change of `greeter.proto`
//! ```
//!
//! In a crate of yours the same is its `build.rs`, with `OUT_DIR` for a folder.

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = protox::compile(["greeter.proto"], [&here])?;
    tonic_prost_build::configure().out_dir(&here).compile_fds(files)?;
    // It is named after the package of the `.proto`.
    Ok(fs::rename(here.join("example.rs"), here.join("generated.rs"))?)
}
