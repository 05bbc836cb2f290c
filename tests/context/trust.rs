//! What is believed of it.

use super::*;

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
fn what_cannot_be_believed_is_refused_by_name() {
    assert_eq!(Trust::builder().build(), Ok(Trust::default()));
    let (minute, longest) = (Duration::from_secs(60), Trust::builder().longest_deadline(SECOND));
    let settings: [(context::Builder, &str, &str); 9] = [
        (Trust::builder().longest_deadline(Duration::ZERO), "longest_deadline", "0s"),
        (Trust::builder().longest_deadline(Duration::MAX), "longest_deadline", "18446744073709551615.999999999s"),
        (Trust::builder().most_attempts(0), "most_attempts", "0"),
        (Trust::builder().most_attempts(0).tasks(false), "most_attempts", "0"),
        (Trust::builder().default_deadline(Duration::ZERO), "default_deadline", "0s"),
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
