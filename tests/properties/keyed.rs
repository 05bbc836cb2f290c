//! Any order in which calls of a few keys come and go, against a plain map.

#[path = "../support/keys.rs"]
mod model;

use model::{CAPACITY, Operation, run};
use proptest::prelude::*;

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        5 => (0..6_u8).prop_map(Operation::Admit),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, made)| Operation::End { which, made }),
        1 => (1..=CAPACITY).prop_map(Operation::Resize),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_key_in_use_is_forgotten(operations in prop::collection::vec(operation(), 0..200), share in any::<bool>()) {
        run(operations, share);
    }
}
