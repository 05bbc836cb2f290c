//! Any text about a request, under any bounds: it is read as a reader that was written for this alone reads it, nothing is
//! beyond the bounds, and what is written is read again.
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
    /// In front of the text, or nothing.
    number: Option<u64>,
    unit: u8,
    left: Duration,
    bits: u64,
    epochs: [u64; 2],
}

/// The digits and nothing else, one to so many of them.
fn digits(text: &str, most: usize) -> Option<u64> {
    let right = (1..=most).contains(&text.len()) && text.chars().all(|char| matches!(char, '0'..='9'));
    right.then(|| text.parse().expect("so many digits are a number"))
}

/// A `grpc-timeout`, by its grammar: `TimeoutValue TimeoutUnit`.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number = digits(&text[..text.len() - unit.len_utf8()], 8)?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// What was read is what was said, from some moment in between.
fn said(read: impl Fn() -> Option<Deadline>, expected: Option<Duration>, longest: Duration) {
    let before = Instant::now();
    let read = read().map(Deadline::moment);
    let after = Instant::now();
    match expected.map(|expected| expected.min(longest)) {
        None => assert_eq!(read, None),
        Some(expected) => {
            let read = read.expect("it says so");
            assert!(before.after(expected) <= read && read <= after.after(expected));
        }
    }
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

    // Of all texts few are numbers with a unit, so those are made as well.
    let unit = ["", "H", "M", "S", "m", "u", "n", "s"][usize::from(input.unit % 8)];
    let made = input.number.map(|number| format!("{number}{unit}{}", input.text));
    let text = made.as_deref().unwrap_or(input.text);
    said(|| trust.deadline(text), grpc_timeout(text), longest);
    said(|| trust.deadline_in_millis(text), digits(text, 19).map(Duration::from_millis), longest);
    assert!(trust.criticality(text).is_none_or(|class| class <= highest));
    let number = |most: u32, first: u64| {
        let said = digits(text, 19).map(|number| u32::try_from(number.saturating_add(first)).unwrap_or(u32::MAX));
        said.filter(|number| *number > 0).map(|number| number.min(most))
    };
    assert_eq!(trust.attempt(text).map(|attempt| attempt.number()), number(most, 0));
    assert_eq!(trust.attempt_after(text).map(|attempt| attempt.number()), number(most, 1));
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
