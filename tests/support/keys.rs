//! A keyed bulkhead against a plain map.

use std::collections::HashMap;

use cofferdam::{
    Admit, Bulkhead, Ended, Instant, Keyed, Outcome, Policy, Why,
    keyed::{KeyedToken, WhenFull},
};

/// The largest capacity.
pub(crate) const CAPACITY: usize = 3;
const LIMIT: usize = 2;

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Admit(u8),
    /// Ends one of the calls that run, or takes its admission back.
    End {
        which: usize,
        made: bool,
    },
    Resize(usize),
}

/// Whatever is forgotten, it is never a key with calls in flight: its count is exact, and so is its limit.
pub(crate) fn run(operations: impl IntoIterator<Item = Operation>, share: bool) {
    let template = Bulkhead::builder("keys").limit(LIMIT).build().unwrap();
    let when_full = if share { WhenFull::Share } else { WhenFull::Reject };
    let keyed = Keyed::builder(template).by(|key: &u8| *key).capacity(CAPACITY).when_full(when_full).build().unwrap();
    let now = Instant::ORIGIN;
    let mut running: Vec<(Option<u8>, KeyedToken<Bulkhead>)> = Vec::new();
    let in_use = |running: &[(Option<u8>, _)]| {
        let mut counts = HashMap::<Option<u8>, usize>::new();
        running.iter().for_each(|(key, _)| *counts.entry(*key).or_default() += 1);
        counts
    };
    for operation in operations {
        match operation {
            Operation::Admit(key) => {
                let (known, overflowed) = (in_use(&running), keyed.overflowed());
                let busy = known.keys().flatten().count();
                let answer = keyed.admit(&key, now).map_err(|rejected| rejected.why());
                let has_room = keyed.overflowed() == overflowed;
                if !has_room {
                    assert!(busy >= keyed.capacity() && !known.contains_key(&Some(key)), "there was room for {key}");
                }
                // Calls that find no room share what is counted under no key.
                let counted_as = has_room.then_some(key);
                let taken = known.get(&counted_as).copied().unwrap_or(0);
                match answer {
                    Ok(token) => {
                        assert!(taken < LIMIT && (has_room || share));
                        running.push((counted_as, token));
                    }
                    Err(Why::Crowded) => assert!(!share && !has_room),
                    Err(why) => assert!(why == Why::Full && taken == LIMIT),
                }
            }
            Operation::End { which, made } if !running.is_empty() => {
                let (_, token) = running.swap_remove(which % running.len());
                if made {
                    keyed.settle(token, &Ended::new(Outcome::Success, now, now));
                } else {
                    keyed.undo(token, now);
                }
            }
            Operation::End { .. } => {}
            Operation::Resize(capacity) => keyed.set_capacity(capacity).unwrap(),
        }
        let counts = in_use(&running);
        for (key, count) in counts.iter().filter_map(|(key, count)| Some(((*key)?, *count))) {
            let slots = keyed.get(&key);
            assert_eq!(slots.map(|slots| slots.in_flight() as usize), Some(count), "key {}", key);
        }
        assert!(keyed.len() <= CAPACITY);
    }
    for (_, token) in running.drain(..) {
        keyed.settle(token, &Ended::new(Outcome::Success, now, now));
    }
    assert!(keyed.snapshot().iter().all(|key| !key.busy && key.policy.in_flight() == 0));
}
