//! How it is read and written.

use super::*;

#[test]
fn deadlines_are_read_in_one_form_and_bounded() {
    let hour = 3600 * SECOND;
    // (text, how long from now)
    let cases = [
        ("0n", Duration::ZERO),
        ("00000000S", Duration::ZERO),
        ("1n", Duration::from_nanos(1)),
        ("99999999n", Duration::from_nanos(99_999_999)),
        ("250u", Duration::from_micros(250)),
        ("250m", Duration::from_millis(250)),
        ("0007S", 7 * SECOND),
        ("3M", 180 * SECOND),
        ("2H", 2 * hour),
        // More than is believed.
        ("00000101H", 100 * hour),
        ("99999999H", 100 * hour),
        ("99999999M", 100 * hour),
    ];
    let trust = Trust::builder().longest_deadline(100 * hour).build().unwrap();
    for (text, expected) in cases {
        let before = Instant::now();
        let deadline = trust.deadline(text).unwrap_or_else(|| panic!("{text}"));
        assert!(deadline >= Deadline::at(before.after(expected)), "{text}");
        assert!(deadline <= Deadline::at(Instant::now().after(expected)), "{text}");
    }
    let unreadable = [
        "",
        "S",
        "1",
        "100",
        "000000001S",
        "123456789m",
        "-1S",
        "+1S",
        " 1S",
        "1S ",
        "1 S",
        "1s",
        "1ms",
        "1h",
        "1.5S",
        "1e3S",
        "0x1S",
        "1S1S",
        "1Sm",
        "S1",
        "\u{661}S",
        "1\u{17f}",
        "١S",
        "1µ",
        "\0S",
        "inf",
        "99999999999999999999H",
    ];
    for text in unreadable {
        assert_eq!(trust.deadline(text), None, "{text:?}");
    }
}

#[test]
fn plain_milliseconds_are_read_where_one_knows_that_they_are() {
    let trust = trust();
    for (text, millis) in [("0", 0), ("15", 15), ("007", 7), ("100001", 100_000), ("9223372036854775807", 100_000)] {
        let before = Instant::now();
        let deadline = trust.deadline_in_millis(text).unwrap_or_else(|| panic!("{text}"));
        let expected = Duration::from_millis(millis);
        assert!(deadline >= Deadline::at(before.after(expected)), "{text}");
        assert!(deadline <= Deadline::at(Instant::now().after(expected)), "{text}");
    }
    for text in ["", "1m", "15ms", "-1", "+1", " 1", "1 ", "1.5", "1_000", "\u{661}", "18446744073709551616"] {
        assert_eq!(trust.deadline_in_millis(text), None, "{text:?}");
    }
}

#[test]
fn time_left_is_told_in_eight_digits_and_never_rounded_up() {
    let nanos = Duration::from_nanos;
    let cases = [
        (Duration::ZERO, "0n"),
        (nanos(1), "1n"),
        (nanos(99_999_999), "99999999n"),
        (nanos(100_000_000), "100000u"),
        (nanos(100_000_999), "100000u"),
        (nanos(99_999_999_999), "99999999u"),
        (nanos(100_000_000_000), "100000m"),
        (nanos(100_000_999_999), "100000m"),
        (Duration::from_millis(99_999_999), "99999999m"),
        (Duration::from_millis(100_000_999), "100000S"),
        (99_999_999 * SECOND, "99999999S"),
        (100_000_019 * SECOND, "1666666M"),
        (Duration::from_secs(6_000_003_599), "1666667H"),
        (Duration::from_secs(99_999_999 * 3600), "99999999H"),
        (Duration::MAX, "99999999H"),
    ];
    for (duration, text) in cases {
        let written = TimeoutText::new(duration);
        assert_eq!((written.as_str(), format!("{written}")), (text, text.to_owned()), "{duration:?}");
    }
    // One that has passed has nothing left, and one that never comes has a text too.
    assert_eq!(Deadline::at(Instant::ORIGIN).to_timeout().as_str(), "0n");
    assert!(Deadline::at(Instant::NEVER).to_timeout().as_str().ends_with('M'));
    assert_eq!(format!("[{:>4}]", TimeoutText::new(Duration::ZERO)), "[  0n]");
}

#[test]
fn criticality_is_spelled_as_in_the_field() {
    let spellings = ["CRITICAL_PLUS", "CRITICAL", "SHEDDABLE_PLUS", "SHEDDABLE"];
    assert_eq!(Criticality::ALL.map(Criticality::as_str), spellings);
    assert!(Criticality::ALL.is_sorted_by(|first, second| first > second));
    assert_eq!(size_of::<Option<Criticality>>(), 1);

    // Read as a setting: whatever its case, with either dash
    for (text, class) in spellings.into_iter().zip(Criticality::ALL) {
        for text in
            [text.to_owned(), text.to_lowercase(), text.replace('_', "-"), text.to_lowercase().replace('_', "-")]
        {
            assert_eq!(text.parse(), Ok(class));
        }
        assert_eq!(format!("{class:>15}|"), format!("{text:>15}|"));
    }
    for text in ["", "critical+", "CRITICAL ", " CRITICAL", "CRITICAL PLUS", "CRITICAL__PLUS", "high", "0", "ſheddable"]
    {
        assert_eq!(text.parse::<Criticality>().unwrap_err().field(), "criticality", "{text:?}");
        assert_eq!(trust().criticality(text), None, "{text:?}");
    }
}

#[test]
fn attempts_are_counted_from_one_and_clamped() {
    let trust = Trust::builder().most_attempts(4).build().unwrap();
    let numbered = |number: u32| Attempt::new(number);
    let huge = "9999999999999999999"; // more than an attempt has room for
    for (text, attempt) in [("1", 1), ("2", 2), ("0003", 3), ("4", 4), ("5", 4), ("4294967296", 4), (huge, 4)] {
        assert_eq!(trust.attempt(text), numbered(attempt), "{text}");
    }
    for (text, attempt) in [("0", 1), ("1", 2), ("3", 4), ("4", 4), ("4294967295", 4), (huge, 4)] {
        assert_eq!(trust.attempt_after(text), numbered(attempt), "{text}");
    }
    assert_eq!(trust.attempt("0"), None);
    for text in ["", "-1", "+1", "1 ", " 1", "1.0", "one", "\u{662}", "10000000000000000000"] {
        assert_eq!((trust.attempt(text), trust.attempt_after(text)), (None, None), "{text:?}");
    }

    // And the last that has a number stays the last
    let last = Attempt::new(u32::MAX).unwrap();
    assert_eq!((last.next(), last.previous(), last.to_string()), (last, u32::MAX - 1, "4294967295".to_owned()));
    assert_eq!((Attempt::default(), Attempt::FIRST.number(), Attempt::FIRST.is_extra()), (Attempt::FIRST, 1, false));
    assert_eq!(Attempt::FIRST.previous(), 0);
}

#[test]
fn a_task_has_the_same_key_everywhere_and_always() {
    // These must never change: services of different versions have to agree.
    let keys = [
        ("", 0xc381_7c01_6ba4_ff30),
        ("a", 0x5f29_c2aa_dd9b_8527),
        ("foobar", 0x5df2_9541_3403_de4f),
        ("Bestellung ß", 0xff73_ab12_bf47_bff7),
        // Not hashed: this is a key.
        ("00000000000000ff", 0xff),
        ("deadbeefdeadbeef", 0xdead_beef_dead_beef),
    ];
    for (text, bits) in keys {
        assert_eq!(TaskKey::of(text).to_bits(), bits, "{text:?}");
    }
    let orders = [("", 0xde9c_3ae9_26b3_1a49), ("foobar", 0x2b75_5e6d_c821_49cd)];
    for (text, order) in orders {
        assert_eq!(TaskKey::of(text).order(493_000), order, "{text:?}");
    }

    // What only looks like a key is a text like any other
    for text in ["00000000000000FF", "0000000000000ff", "000000000000000ff", "+0000000000000ff", "000000000000000g"] {
        assert!(TaskKey::of(text).to_bits() > 0xffff, "{text:?}");
    }
    assert_eq!(format!("{:?}", TaskKey::from_bits(0xff)), "TaskKey(00000000000000ff)");
    assert_ne!(TaskKey::random(), TaskKey::random());
}
