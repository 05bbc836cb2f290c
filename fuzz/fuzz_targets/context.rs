//! Any text about a request, under any bounds: no panic, nothing beyond the bounds, and what is written is read again.
#![no_main]

use std::time::Duration;

use cofferdam::{
    Attempt, Context, Criticality, Deadline, Instant, TaskKey,
    context::{TimeoutText, Trust},
};
use http::Request;
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    longest: Duration,
    highest: u8,
    most: u32,
    tasks: bool,
    text: &'a str,
    left: Duration,
    bits: u64,
    epochs: [u64; 2],
}

fuzz_target!(|input: Input<'_>| {
    let highest = Criticality::ALL[usize::from(input.highest % 4)];
    let builder = Trust::builder().longest_deadline(input.longest).highest_criticality(highest);
    let trust = builder.most_attempts(input.most).tasks(input.tasks).build();
    // What cannot be is refused with a field's name. Then the defaults hold.
    let (trust, longest, highest, most) = match trust {
        Ok(trust) => (trust, input.longest, highest, input.most),
        Err(invalid) => {
            assert!(!invalid.field().is_empty() && !invalid.allowed().is_empty());
            (Trust::default(), Duration::from_secs(3600), Criticality::Critical, 16)
        }
    };

    let text = input.text;
    for deadline in [trust.deadline(text), trust.deadline_in_millis(text)].into_iter().flatten() {
        assert!(deadline <= Deadline::after(longest));
    }
    assert!(trust.criticality(text).is_none_or(|class| class <= highest));
    for attempt in [trust.attempt(text), trust.attempt_after(text)].into_iter().flatten() {
        assert!(attempt.number() <= most);
    }
    assert!(trust.task(text).is_none_or(|key| key == TaskKey::of(text) && !text.is_empty() && text.len() <= 256));
    assert_eq!(text.parse::<Criticality>().ok().map(|class| class.min(highest)), trust.criticality(text));

    // A deadline that is told and read again is no later than it was, but for the time that this takes.
    let written = TimeoutText::new(input.left);
    assert!((2..=9).contains(&written.as_str().len()));
    let read = trust.deadline(written.as_str()).expect("it was written by ourselves");
    assert!(read <= Deadline::at(Instant::now().after(input.left.min(longest))));

    // A key is what it was, and its place is its own.
    let (key, other) = (TaskKey::from_bits(input.bits), TaskKey::of(text));
    assert_eq!(TaskKey::of(&key.to_string()), key);
    for epoch in input.epochs {
        assert_eq!(key.order(epoch) == other.order(epoch), key == other);
    }

    // A request that says all of this is within bounds afterwards, and stays as it is when bounded again.
    let mut request = Request::new(());
    request.set_deadline(Deadline::after(input.left));
    request.set_criticality(Criticality::ALL[input.bits as usize % 4]);
    request.set_attempt(Attempt::new(input.bits as u32).unwrap_or_default());
    request.set_task(key);
    trust.bound(&mut request);
    assert!(request.deadline().is_some_and(|deadline| deadline <= Deadline::after(longest)));
    assert!(request.criticality().is_some_and(|class| class <= highest));
    assert!(request.attempt().number() <= most);
    let mut outgoing = Request::new(());
    outgoing.on_behalf_of(&request);
    assert_eq!((outgoing.deadline(), outgoing.task()), (request.deadline(), request.task()));
    assert_eq!((outgoing.criticality(), outgoing.attempt()), (request.criticality(), Attempt::FIRST));
});
