//! What travels with a request, and what is believed of it.
#![allow(missing_docs)]

mod support;

use std::time::Duration;

use cofferdam::{
    Attempt, Context, Criticality, Deadline, Instant, TaskKey,
    context::{self, CarriedDeadline, DeadlineSource, NoDeadline, TimeoutText, Trust},
};
use support::Ask;

const SECOND: Duration = Duration::from_secs(1);

fn trust() -> Trust {
    Trust::builder().longest_deadline(100 * SECOND).build().unwrap()
}

/// Carries all there is.
#[derive(Clone, Debug, Default, PartialEq)]
struct Letter {
    deadline: Option<Deadline>,
    criticality: Option<Criticality>,
    attempt: Attempt,
    task: Option<TaskKey>,
}

impl Context for Letter {
    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }
    fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }
    fn criticality(&self) -> Option<Criticality> {
        self.criticality
    }
    fn set_criticality(&mut self, criticality: Criticality) {
        self.criticality = Some(criticality);
    }
    fn attempt(&self) -> Attempt {
        self.attempt
    }
    fn set_attempt(&mut self, attempt: Attempt) {
        self.attempt = attempt;
    }
    fn task(&self) -> Option<TaskKey> {
        self.task
    }
    fn set_task(&mut self, task: TaskKey) {
        self.task = Some(task);
    }
}

#[test]
fn a_request_that_knows_deadlines_only_carries_nothing_else() {
    // Given a request type from before there was anything else to carry
    let mut request = Ask::default();
    request.set_deadline(Deadline::at(Instant::NEVER));
    request.set_criticality(Criticality::Sheddable);
    request.set_attempt(Attempt::FIRST.next());
    request.set_task(TaskKey::of("task"));

    // Then it says what is true of a request that says nothing
    assert_eq!(request.deadline(), Some(Deadline::at(Instant::NEVER)));
    assert_eq!((request.criticality(), request.attempt(), request.task()), (None, Attempt::FIRST, None));
}

#[cfg(feature = "http")]
#[test]
fn an_http_request_carries_all_of_it_and_so_does_its_clone() {
    // Given an HTTP request, which begins with nothing
    let mut request = http::Request::new("body");
    assert_eq!((request.deadline(), request.criticality(), request.attempt()), (None, None, Attempt::FIRST));
    assert_eq!(request.task(), None);

    // When it is given everything
    let (deadline, attempt, task) = (Deadline::after(SECOND), Attempt::new(3).unwrap(), TaskKey::random());
    request.set_deadline(deadline);
    request.set_criticality(Criticality::SheddablePlus);
    request.set_attempt(attempt);
    request.set_task(task);

    // Then it has it, under the types' own names too, and passes it on
    for request in [request.clone(), request] {
        assert_eq!((request.deadline(), request.criticality()), (Some(deadline), Some(Criticality::SheddablePlus)));
        assert_eq!((request.attempt(), request.task()), (attempt, Some(task)));
        assert_eq!(request.extensions().get::<Criticality>(), Some(&Criticality::SheddablePlus));
        assert_eq!(request.extensions().get::<TaskKey>(), Some(&task));
    }
}

#[test]
fn what_is_done_for_a_caller_is_worth_no_more_than_the_caller() {
    let at = |seconds: u32| Some(Deadline::at(Instant::ORIGIN.after(seconds * SECOND)));
    let (plus, critical, shed) = (Criticality::CriticalPlus, Criticality::Critical, Criticality::Sheddable);

    // (what it says itself, what its caller says, what then holds)
    let deadlines =
        [(None, None, None), (None, at(2), at(2)), (at(1), None, at(1)), (at(1), at(2), at(1)), (at(3), at(2), at(2))];
    let classes = [
        (None, None, None),
        (None, Some(plus), Some(plus)),
        (Some(plus), Some(shed), Some(shed)),
        (Some(shed), Some(plus), Some(shed)),
        // Who says nothing is critical, and no more than that.
        (Some(plus), None, Some(critical)),
    ];
    let keys = [None, Some(TaskKey::of("own")), Some(TaskKey::of("caller's"))];
    let tasks = [(keys[0], keys[0], keys[0]), (keys[1], keys[0], keys[1]), (keys[1], keys[2], keys[2])];
    for (own_deadline, callers_deadline, deadline) in deadlines {
        for (own_class, callers_class, criticality) in classes {
            for (own_task, callers_task, task) in tasks {
                let attempt = Attempt::new(2).unwrap();
                let own = Letter { deadline: own_deadline, criticality: own_class, attempt, task: own_task };
                let attempt = Attempt::new(5).unwrap();
                let caller =
                    Letter { deadline: callers_deadline, criticality: callers_class, attempt, task: callers_task };
                let mut outgoing = own.clone();
                outgoing.on_behalf_of(&caller);
                // And its attempts are its own.
                assert_eq!(
                    outgoing,
                    Letter { deadline, criticality, attempt: own.attempt, task },
                    "{own:?} {caller:?}"
                );
            }
        }
    }
}

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
    assert!(Deadline::at(Instant::NEVER).to_timeout().as_str().ends_with('H'));
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
fn nobody_outside_matters_more_than_is_believed() {
    for highest in Criticality::ALL {
        let trust = Trust::builder().highest_criticality(highest).build().unwrap();
        for class in Criticality::ALL {
            assert_eq!(trust.criticality(class.as_str()), Some(class.min(highest)));
        }
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

#[test]
fn names_of_tasks_are_believed_up_to_their_length_or_not_at_all() {
    let longest = "ß".repeat(128);
    assert_eq!(trust().task(&longest), Some(TaskKey::of(&longest)));
    assert_eq!(trust().task("x"), Some(TaskKey::of("x")));
    for text in ["".to_owned(), format!("{longest}x"), "x".repeat(1 << 20)] {
        assert_eq!(trust().task(&text), None, "{} bytes", text.len());
    }
    let sceptic = Trust::builder().tasks(false).build().unwrap();
    assert_eq!((sceptic.task("x"), sceptic.task("deadbeefdeadbeef")), (None, None));
}

#[test]
fn what_came_by_another_way_is_held_to_the_same_bounds() {
    let trust = Trust::builder().longest_deadline(SECOND).most_attempts(2).build().unwrap();
    let two = Attempt::new(2).unwrap();

    // Too much of everything
    let mut request = Letter {
        deadline: Some(Deadline::at(Instant::NEVER)),
        criticality: Some(Criticality::CriticalPlus),
        attempt: Attempt::new(3).unwrap(),
        task: Some(TaskKey::of("x")),
    };
    trust.bound(&mut request);
    assert!(request.deadline.unwrap() <= Deadline::after(SECOND));
    assert!(request.deadline.unwrap() > Deadline::at(Instant::now()));
    assert_eq!((request.criticality, request.attempt), (Some(Criticality::Critical), two));
    assert_eq!(request.task, Some(TaskKey::of("x")));

    // What is within bounds stays as it is, also when bounded again, and so does what says nothing
    let modest = Letter {
        deadline: Some(Deadline::at(Instant::ORIGIN)),
        criticality: Some(Criticality::Sheddable),
        attempt: two,
        task: None,
    };
    for within in [request, modest, Letter::default()] {
        let mut request = within.clone();
        trust.bound(&mut request);
        assert_eq!(request, within);
    }

    // One without a deadline has the default one from then on
    let patient = Trust::builder().default_deadline(SECOND).build().unwrap();
    let mut silent = Letter::default();
    patient.bound(&mut silent);
    assert!(silent.deadline.is_some_and(|deadline| deadline <= Deadline::after(SECOND)));
    assert!(silent.deadline.unwrap() > Deadline::at(Instant::now()));

    // But saying nothing is no way to matter more than is believed
    let mut silent = Letter::default();
    let batch = Trust::builder().highest_criticality(Criticality::SheddablePlus).build().unwrap();
    batch.bound(&mut silent);
    assert_eq!(silent.criticality, Some(Criticality::SheddablePlus));
}

#[test]
fn a_deadline_that_nobody_has_named_is_known_as_such_wherever_it_goes() {
    let moment = Instant::now().after(SECOND);
    let (named, assumed) = (Deadline::at(moment), Deadline::at(moment).assumed());
    assert!(assumed.is_assumed() && !named.is_assumed());
    assert_eq!((named, named.cmp(&assumed)), (assumed, std::cmp::Ordering::Equal));
    assert_eq!(std::collections::HashSet::from([named, assumed]).len(), 1);

    // Of two, the earlier holds as what it is; of the same moment, what was said.
    assert!(!named.earlier(assumed).is_assumed() && !assumed.earlier(named).is_assumed());
    assert!(assumed.earlier(Deadline::at(moment.after(SECOND))).is_assumed());
    assert!(!named.earlier(Deadline::at(moment.after(SECOND)).assumed()).is_assumed());

    // The default is one, also for what is done for the request; what was said stays said, however much less is believed.
    let trust = Trust::builder().default_deadline(SECOND).longest_deadline(10 * SECOND).build().unwrap();
    let (mut silent, mut patient) = (Letter::default(), Letter::default());
    patient.set_deadline(Deadline::after(100 * SECOND));
    trust.bound(&mut silent);
    trust.bound(&mut patient);
    let mut outgoing = Letter::default();
    outgoing.on_behalf_of(&silent);
    assert!(silent.deadline().unwrap().is_assumed() && outgoing.deadline().unwrap().is_assumed());
    assert!(patient.deadline().unwrap().remaining() <= 10 * SECOND && !patient.deadline().unwrap().is_assumed());
}

#[test]
fn a_source_of_deadlines_reads_what_the_request_carries() {
    let (early, late) = (Deadline::at(Instant::ORIGIN), Deadline::at(Instant::NEVER));
    let request = Letter { deadline: Some(late), ..Letter::default() };
    assert_eq!(CarriedDeadline.read(&request), Some(late));
    assert_eq!(CarriedDeadline.read(&Letter::default()), None);
    assert_eq!(NoDeadline.read(&request), None);

    // Binding says what it carried, and leaves the earlier one in it
    let mut request = request;
    assert_eq!(CarriedDeadline.bind(&mut request, || Some(early)), Some(late));
    assert_eq!(CarriedDeadline.bind(&mut request, || Some(late)), Some(early));
    assert_eq!(CarriedDeadline.bind(&mut request, || None), Some(early));
    assert_eq!(NoDeadline.bind(&mut request, || panic!("nobody needs to know")), None);

    // They still have their old names
    let _: (cofferdam::timeout::CarriedDeadline, cofferdam::timeout::NoDeadline) = (CarriedDeadline, NoDeadline);
}

#[test]
fn what_cannot_be_believed_is_refused_by_name() {
    assert_eq!(Trust::builder().build(), Ok(Trust::default()));
    let (minute, longest) = (Duration::from_secs(60), Trust::builder().longest_deadline(SECOND));
    let settings: [(context::Builder, &str, &str); 9] = [
        (Trust::builder().longest_deadline(Duration::ZERO), "longest_deadline", "0ns"),
        (Trust::builder().longest_deadline(Duration::MAX), "longest_deadline", "18446744073709551615.999999999s"),
        (Trust::builder().most_attempts(0), "most_attempts", "0"),
        (Trust::builder().most_attempts(0).tasks(false), "most_attempts", "0"),
        (Trust::builder().default_deadline(Duration::ZERO), "default_deadline", "0ns"),
        (Trust::builder().default_deadline(Duration::MAX), "default_deadline", "18446744073709551615.999999999s"),
        (longest.default_deadline(minute), "default_deadline", "60s"),
        (Trust::builder().longest_task(15), "longest_task", "15"),
        (Trust::builder().longest_task(4097), "longest_task", "4097"),
    ];
    for (builder, field, value) in settings {
        let invalid = builder.build().unwrap_err();
        assert_eq!((invalid.field(), invalid.value()), (field, value));
        assert!(!invalid.allowed().is_empty());
    }
    // The defaults are what the table says
    assert_eq!(Trust::default().attempt("17"), Attempt::new(16));
    assert_eq!(Trust::default().criticality("CRITICAL_PLUS"), Some(Criticality::Critical));
    let hour = Duration::from_secs(3600);
    let (before, deadline) = (Instant::now(), Trust::default().deadline("61M").unwrap());
    assert!(deadline >= Deadline::at(before.after(hour)) && deadline <= Deadline::after(hour));
}
