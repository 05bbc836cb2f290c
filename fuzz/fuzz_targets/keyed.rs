//! Any sequence of operations on a keyed bulkhead, against a plain map: no key in use is forgotten, and none is counted twice.
#![no_main]

#[path = "../../tests/support/keys.rs"]
mod keys;

use keys::{CAPACITY, Operation, run};
use libfuzzer_sys::fuzz_target;

/// Any two bytes are an operation.
fn operation((kind, value): (u8, u8)) -> Operation {
    match kind % 10 {
        0..=4 => Operation::Admit(value % 6),
        5..=8 => Operation::End { which: usize::from(value), made: kind % 2 == 0 },
        _ => Operation::Resize(usize::from(value) % CAPACITY + 1),
    }
}

fuzz_target!(|input: (bool, Vec<(u8, u8)>)| {
    let (share, operations) = input;
    run(operations.into_iter().map(operation), share);
});
