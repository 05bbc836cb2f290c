//! What a request carries, and what it passes on to those that are made for it.

use super::*;

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
