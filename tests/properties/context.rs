//! Texts from outside: whatever they are, what is made of them is within bounds, and what was written is read again.

use std::time::Duration;

use cofferdam::{
    Attempt, Criticality, Deadline, Instant, TaskKey,
    context::{TimeoutText, Trust},
};
use proptest::{prelude::*, sample::select};

const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn duration() -> impl Strategy<Value = Duration> {
    // Around every power of ten there may be an edge.
    let edges = (0..19_u32, -2..3_i64).prop_map(|(power, by)| 10_u64.pow(power).saturating_add_signed(by));
    let whole = (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos));
    prop_oneof![
        4 => edges.clone().prop_map(Duration::from_nanos),
        2 => edges.prop_map(Duration::from_secs),
        4 => any::<u64>().prop_map(Duration::from_nanos),
        1 => whole,
    ]
}

/// What is nearly of a form that is read, and what is not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[0-9]{0,21}[HMSmunhs ]{0,2}",
        1 => "[-+ ]?[0-9]{1,9}[.eE_ ]?[0-9]{0,3}[HMSmun]",
        1 => "[A-Za-z_-]{0,16}",
        1 => select(Criticality::ALL.map(|class| class.as_str().to_owned()).to_vec()),
        2 => "\\PC{0,12}",
        1 => "[0-9a-f]{15,17}",
        1 => "\\PC{200,300}",
    ]
}

fn trust() -> impl Strategy<Value = Trust> {
    let longest = duration().prop_map(|longest| longest.clamp(Duration::from_nanos(1), LONGEST));
    let settings = (longest, select(Criticality::ALL.to_vec()), 1..=u32::MAX, any::<bool>());
    settings.prop_map(|(longest, highest, most, tasks)| {
        let builder = Trust::builder().longest_deadline(longest).highest_criticality(highest);
        builder.most_attempts(most).tasks(tasks).build().expect("all of these may be")
    })
}

/// A form that is read, by way of numbers that have room for all of them.
fn said(text: &str) -> Option<u128> {
    let (unit, digits) = (text.chars().last()?, &text[..text.len() - text.chars().last()?.len_utf8()]);
    let nanos = match unit {
        'H' => 3_600_000_000_000,
        'M' => 60_000_000_000,
        'S' => 1_000_000_000,
        'm' => 1_000_000,
        'u' => 1_000,
        'n' => 1,
        _ => return None,
    };
    let valid = (1..=8).contains(&digits.len()) && digits.chars().all(|digit| digit.is_ascii_digit());
    valid.then(|| digits.parse::<u128>().unwrap() * nanos)
}

/// The bounds that `trust` has, found out by asking for too much.
fn most(trust: &Trust) -> (Criticality, Attempt) {
    (trust.criticality("CRITICAL_PLUS").unwrap(), trust.attempt("4294967295").unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2048, ..ProptestConfig::default() })]

    /// Nobody is told more time than there is, and not much less.
    #[test]
    fn what_is_written_is_never_more_and_hardly_less(duration in duration()) {
        let written = TimeoutText::new(duration);
        let text = written.as_str();
        prop_assert!((2..=9).contains(&text.len()), "{}", text);
        let nanos = said(text);
        prop_assert!(nanos.is_some(), "{} is not of the form", text);
        let (nanos, before) = (nanos.unwrap(), duration.as_nanos());
        prop_assert!(nanos <= before);
        // Units are a thousand times the next finer one at most, so five of the eight digits are left.
        if before < 99_999_999 * 3_600_000_000_000 {
            prop_assert!(before - nanos <= before / 100_000, "{} of {:?}", text, duration);
        }
        // It has no zeros in front, so that no room is wasted
        prop_assert!(text.len() == 2 || !text.starts_with('0'));
    }

    /// From hop to hop a deadline never moves away, however often it is written and read.
    #[test]
    fn a_deadline_only_ever_shrinks(duration in duration(), hops in 1..5_usize) {
        let trust = Trust::builder().longest_deadline(LONGEST).build().unwrap();
        let mut deadline = Deadline::after(duration);
        for _ in 0..hops {
            let before = Instant::now();
            let text = deadline.to_timeout();
            let read = trust.deadline(text.as_str());
            let took = Instant::now().since(before);
            prop_assert!(read.is_some(), "{}", text);
            // It may move by the time that lies between writing and reading, as between machines.
            let latest = deadline.moment().max(before).after(took);
            prop_assert!(read.unwrap().moment() <= latest, "{:?} {} {:?}", deadline, text, read);
            prop_assert!(read.unwrap().remaining() <= duration.min(LONGEST));
            deadline = read.unwrap();
        }
    }

    /// A deadline is what the text says, clamped, or nothing if it says nothing.
    #[test]
    fn any_text_is_a_deadline_within_bounds_or_nothing(text in text(), longest in duration()) {
        let longest = longest.clamp(Duration::from_nanos(1), LONGEST);
        let trust = Trust::builder().longest_deadline(longest).build().unwrap();
        let before = Instant::now();
        let (read, in_millis) = (trust.deadline(&text), trust.deadline_in_millis(&text));
        let after = Instant::now();
        let digits = (1..=19).contains(&text.len()) && text.chars().all(|digit| digit.is_ascii_digit());
        let millis = digits.then(|| text.parse::<u128>().unwrap() * 1_000_000);
        for (read, said) in [(read, said(&text)), (in_millis, millis)] {
            prop_assert_eq!(read.is_some(), said.is_some());
            if let (Some(read), Some(said)) = (read, said) {
                let expected = Duration::from_nanos(said.min(longest.as_nanos()) as u64);
                prop_assert!(read.moment() >= before.after(expected) && read.moment() <= after.after(expected));
            }
        }
    }

    /// No text is worth more than is believed, whatever else it is.
    #[test]
    fn any_text_is_clamped_or_ignored(text in text(), trust in trust()) {
        let (highest, most) = most(&trust);
        prop_assert!(trust.criticality(&text).is_none_or(|class| class <= highest));
        for attempt in [trust.attempt(&text), trust.attempt_after(&text)].into_iter().flatten() {
            prop_assert!(attempt <= most);
        }
        prop_assert!(trust.task(&text).is_none_or(|key| key == TaskKey::of(&text) && text.len() <= 256));
        // A service that believes everything reads the same, and never less.
        let open = Trust::builder().highest_criticality(Criticality::CriticalPlus).most_attempts(u32::MAX).build().unwrap();
        prop_assert_eq!(trust.criticality(&text), open.criticality(&text).map(|class| class.min(highest)));
        prop_assert_eq!(trust.attempt(&text), open.attempt(&text).map(|attempt| attempt.min(most)));
        prop_assert_eq!(trust.attempt_after(&text), open.attempt_after(&text).map(|attempt| attempt.min(most)));
    }

    /// What is written of a value is read as that value.
    #[test]
    fn what_is_written_is_read_again(number in 1..=u32::MAX, bits: u64, class in select(Criticality::ALL.to_vec())) {
        let trust =
            Trust::builder().highest_criticality(Criticality::CriticalPlus).most_attempts(u32::MAX).build().unwrap();
        let attempt = Attempt::new(number).unwrap();
        prop_assert_eq!(trust.attempt(&attempt.to_string()), Some(attempt));
        prop_assert_eq!(trust.attempt_after(&attempt.previous().to_string()), Some(attempt));
        let key = TaskKey::from_bits(bits);
        prop_assert_eq!(trust.task(&key.to_string()), Some(key));
        prop_assert_eq!(trust.criticality(class.as_str()), Some(class));
        prop_assert_eq!(class.to_string().parse(), Ok(class));
    }

    /// A key of any text is made in the same way again, and written and read it is the same.
    #[test]
    fn a_key_is_a_function_of_its_text(text in "\\PC{0,40}") {
        let key = TaskKey::of(&text);
        prop_assert_eq!(TaskKey::of(&text.clone()), key);
        prop_assert_eq!(TaskKey::of(&key.to_string()), key);
    }

    /// Whatever the epoch, no two tasks share a place; and a task does not keep its place.
    #[test]
    fn places_are_not_shared_and_not_kept(one: u64, other: u64, epoch: u64, later: u64) {
        let (first, second) = (TaskKey::from_bits(one), TaskKey::from_bits(other));
        prop_assert_eq!(first.order(epoch) == second.order(epoch), one == other);
        prop_assert_eq!(first.order(epoch) == first.order(later), epoch == later);
    }
}

/// How unevenly `count` numbers fill 64 equal parts: chi-squared, which for an even spread is about 63, and is above 131
/// once in a million times.
fn unevenness(numbers: impl Iterator<Item = u64>) -> f64 {
    let mut parts = [0_u32; 64];
    numbers.for_each(|number| parts[(number >> 58) as usize] += 1);
    let expected = f64::from(parts.iter().sum::<u32>()) / 64.0;
    parts.iter().map(|found| (f64::from(*found) - expected).powi(2) / expected).sum()
}

#[test]
fn tasks_are_spread_evenly_whatever_their_names() {
    const TASKS: u64 = 64_000;
    type Named = fn(u64) -> TaskKey;
    let names: [(&str, Named); 4] = [
        ("numbers", |number| TaskKey::of(&number.to_string())),
        ("orders", |number| TaskKey::of(&format!("tenant-a/order/{number:08}"))),
        // Keys that were chosen badly, by whoever sends them ready-made.
        ("keys in sequence", TaskKey::from_bits),
        ("keys in high bits", |number| TaskKey::from_bits(number << 44)),
    ];
    for (what, key) in names {
        for epoch in [0, 1, 2, 493_000, 493_001, u64::MAX] {
            let found = unevenness((0..TASKS).map(|number| key(number).order(epoch)));
            assert!(found < 131.0, "{what} in epoch {epoch}: {found}");
        }
    }
    // The keys of texts are spread evenly by themselves, and in their last bits too
    for shift in [0, 58] {
        let found = unevenness((0..TASKS).map(|number| TaskKey::of(&number.to_string()).to_bits() << shift));
        assert!(found < 131.0, "bits from {shift}: {found}");
    }
    // And one task is everywhere in time
    let found = unevenness((0..TASKS).map(|epoch| TaskKey::of("task").order(epoch)));
    assert!(found < 131.0, "over epochs: {found}");
}

#[test]
fn another_epoch_is_another_order() {
    // Given the tasks that are shed in one epoch: the last tenth of them
    const TASKS: u64 = 50_000;
    let tenth = u64::MAX / 10 * 9;
    let shed = |epoch: u64| (0..TASKS).map(TaskKey::from_bits).filter(move |key| key.order(epoch) >= tenth);
    for (epoch, next) in [(0, 1), (1, 2), (493_000, 493_001), (7, 1 << 40)] {
        // Then a tenth of those is shed in the next one too, which is as many as of any others
        let (before, both) = (shed(epoch).count(), shed(epoch).filter(|key| key.order(next) >= tenth).count());
        assert!((4_800..5_200).contains(&before), "{before}");
        assert!((400..600).contains(&both), "{both} of {before} in {epoch} and {next}");
        // And which of two neighbours goes first is open again: half of them change places
        let swapped = |number: &u64| {
            let (one, other) = (TaskKey::from_bits(*number), TaskKey::from_bits(*number + 1));
            (one.order(epoch) < other.order(epoch)) != (one.order(next) < other.order(next))
        };
        let swaps = (0..TASKS).filter(swapped).count();
        assert!((24_000..26_000).contains(&swaps), "{swaps}");
    }
}
