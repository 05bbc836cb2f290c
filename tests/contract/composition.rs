//! Policies composed by value: in which order they are asked and told, whatever goes wrong in between.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use cofferdam::{Admit, BoxError, Bulkhead, Ended, Instant, Name, Policy, Rejected, Shadow, Why, guard};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::support::{Ask, Asks, Does, Log, Probe, Recording, Script, poll, settled};

/// One call through a policy, to a service that does that. What was rejected comes back.
fn call<P: Admit<Ask> + Policy<Kind = cofferdam::Immediate>>(
    policy: P,
    script: Script,
) -> Result<u32, Option<Rejected>> {
    let service = policy.layer().layer(Probe::<Asks>::new(script));
    settled(service.oneshot(Ask::default())).map_err(|error| Rejected::find(error.as_ref()).copied())
}

/// Runs what panics, and is still there afterwards.
fn panics<T>(run: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err(), "should have panicked");
}

#[test]
fn tuples_of_one_to_eight_admit_in_order_and_settle_in_reverse() {
    let log = Log::default();
    let p = |name| Recording::new(name, Does::Admit, &log);
    let all = (p("a"), p("b"), p("c"), p("d"), p("e"), p("f"), p("g"), p("h"));
    let expect = |admitted: &str, settled: &str| {
        let ends: Vec<_> = settled.split(' ').map(|name| format!("{name} Success")).collect();
        assert_eq!(log.take(), format!("{}, {}", admitted.replace(' ', ", "), ends.join(", ")));
    };
    let (a, b, c, d, e, f, g, h) = all;
    assert!(call((a.clone(),), Script::Ok).is_ok());
    expect("a", "a");
    assert!(call((a.clone(), b.clone()), Script::Ok).is_ok());
    expect("a b", "b a");
    assert!(call((a.clone(), b.clone(), c.clone()), Script::Ok).is_ok());
    expect("a b c", "c b a");
    assert!(call((a.clone(), b.clone(), c.clone(), d.clone()), Script::Ok).is_ok());
    expect("a b c d", "d c b a");
    assert!(call((a.clone(), b.clone(), c.clone(), d.clone(), e.clone()), Script::Ok).is_ok());
    expect("a b c d e", "e d c b a");
    assert!(call((a.clone(), b.clone(), c.clone(), d.clone(), e.clone(), f.clone()), Script::Ok).is_ok());
    expect("a b c d e f", "f e d c b a");
    assert!(call((a.clone(), b.clone(), c.clone(), d.clone(), e.clone(), f.clone(), g.clone()), Script::Ok).is_ok());
    expect("a b c d e f g", "g f e d c b a");
    assert!(call((a, b, c, d, e, f, g, h), Script::Ok).is_ok());
    expect("a b c d e f g h", "h g f e d c b a");
}

#[test]
fn a_rejection_takes_back_what_the_earlier_ones_gave() {
    let log = Log::default();
    let p = |name, does| Recording::new(name, does, &log);

    // Given eight policies of which the sixth rejects
    let group = (
        p("a", Does::Admit),
        p("b", Does::Admit),
        p("c", Does::Admit),
        p("d", Does::Admit),
        p("e", Does::Admit),
        p("f", Does::Reject),
        p("g", Does::Admit),
        p("h", Does::Admit),
    );

    // Then the caller is told by whom, those before it take back in reverse, and those after it know nothing of the call
    let rejected = call(group, Script::Ok).unwrap_err().unwrap();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("f", Why::Refused));
    assert_eq!(log.take(), "a, b, c, d, e, f rejects, undo e, undo d, undo c, undo b, undo a");
}

#[test]
fn defect_27_a_panic_in_a_later_admission_takes_back_what_the_earlier_ones_gave() {
    let log = Log::default();
    let p = |name, does| Recording::new(name, does, &log);
    let slots = Bulkhead::builder("composition").limit(1).build().unwrap();

    // Given a policy that panics when it is asked, behind two that admit
    let group = (p("a", Does::Admit), slots.clone(), p("b", Does::PanicInAdmit));
    panics(|| call(group, Script::Ok));

    // Then the earlier ones take back what they gave
    assert_eq!(log.take(), "a, undo a");
    assert_eq!(slots.in_flight(), 0);

    // And a panic while taking back keeps nobody else from doing so
    let group = (p("a", Does::Admit), p("b", Does::PanicInUndo), slots.clone(), p("c", Does::Reject));
    panics(|| call(group, Script::Ok));
    assert_eq!(log.take(), "a, b, c rejects, undo b, undo a");
    assert_eq!(slots.in_flight(), 0);
}

#[test]
fn defect_26_a_panic_of_one_policy_in_its_settlement_keeps_no_other_from_settling() {
    let log = Log::default();
    let p = |name, does| Recording::new(name, does, &log);
    let slots = Bulkhead::builder("composition").limit(1).build().unwrap();
    for panicking in ["a", "b", "c"] {
        let does = |name| if name == panicking { Does::PanicInSettle } else { Does::Admit };
        let group = (slots.clone(), p("a", does("a")), p("b", does("b")), p("c", does("c")), slots_of_two());

        // Whichever of them panics, all hear of the end exactly once
        panics(|| call(group, Script::Ok));
        assert_eq!(log.take(), "a, b, c, c Success, b Success, a Success");
        assert_eq!(slots.in_flight(), 0);
    }
}

fn slots_of_two() -> Bulkhead {
    Bulkhead::builder("more").limit(2).build().unwrap()
}

#[test]
fn every_end_of_a_call_is_told_once() {
    let log = Log::default();
    let both = || (Recording::new("a", Does::Admit, &log), Recording::new("b", Does::Admit, &log));

    // An error is a failure
    assert_eq!(call(both(), Script::Err), Err(None));
    assert_eq!(log.take(), "a, b, b Failure, a Failure");

    // A panic is one too
    panics(|| call(both(), Script::PanicInCall));
    assert_eq!(log.take(), "a, b, b Failure, a Failure");
    panics(|| call(both(), Script::PanicOnPoll(1)));
    assert_eq!(log.take(), "a, b, b Failure, a Failure");

    // A call that is dropped was abandoned
    let service = guard(both()).layer(Probe::<Asks>::new(Script::Never));
    let mut dropped = Box::pin(service.oneshot(Ask::default()));
    assert!(poll(dropped.as_mut()).is_pending());
    assert_eq!(log.take(), "a, b");
    drop(dropped);
    assert_eq!(log.take(), "b Abandoned, a Abandoned");

    // And one whose classification panics says nothing
    let classified = guard(both())
        .classify(|_: Result<&u32, &BoxError>| panic!("the user's own"))
        .layer(Probe::<Asks>::new(Script::Ok));
    panics(|| settled(classified.oneshot(Ask::default())));
    assert_eq!(log.take(), "a, b, b Abandoned, a Abandoned");
}

#[test]
fn defect_30_a_panicking_classifier_harms_its_own_call_only() {
    // Given a classifier that panics at every tenth answer
    let slots = Bulkhead::builder("composition").limit(1).build().unwrap();
    let asked = AtomicU64::new(0);
    let guarded = guard(slots.clone()).classify(|_: Result<&u32, &BoxError>| {
        assert_ne!(asked.fetch_add(1, Ordering::Relaxed) % 10, 9, "the user's own");
        cofferdam::Outcome::Success
    });
    let service = guarded.layer(Probe::<Asks>::new(Script::Ok));

    // When ten thousand calls are made
    let answered = (0..10_000)
        .filter(|_| {
            let call = || settled(service.clone().oneshot(Ask::default()));
            catch_unwind(AssertUnwindSafe(call)).is_ok_and(|answer| answer.is_ok())
        })
        .count();

    // Then nine of ten have their answers, it was asked once for each, and no slot is lost
    assert_eq!((answered, asked.into_inner(), slots.in_flight()), (9000, 10_000, 0));
}

#[test]
fn and_nests_as_deep_as_you_like() {
    let log = Log::default();
    let p = |name| Recording::new(name, Does::Admit, &log);

    // To the left and to the right the order is that of the text.
    assert!(call(p("a").and(p("b")).and(p("c")), Script::Ok).is_ok());
    assert_eq!(log.take(), "a, b, c, c Success, b Success, a Success");
    assert!(call(p("a").and(p("b").and(p("c"))), Script::Ok).is_ok());
    assert_eq!(log.take(), "a, b, c, c Success, b Success, a Success");

    // And so it is when a nested one rejects: the inner group takes back its own, then the outer one its own
    let group = (p("a"), (p("b"), Recording::new("c", Does::Reject, &log)));
    assert_eq!(call(group, Script::Ok).unwrap_err().unwrap().by().as_str(), "c");
    assert_eq!(log.take(), "a, b, c rejects, undo b, undo a");
}

#[test]
fn options_arcs_and_shadows_of_policies_are_policies() {
    let log = Log::default();
    let p = |name, does| Recording::new(name, does, &log);

    // An option that is there, one that is not, and a shared one
    assert!(call((Some(p("a", Does::Admit)), None::<Recording>, Arc::new(p("b", Does::Admit))), Script::Ok).is_ok());
    assert_eq!(log.take(), "a, b, b Success, a Success");
    assert_eq!(call(Some(Arc::new(p("a", Does::Reject))), Script::Ok).unwrap_err().unwrap().by().as_str(), "a");
    assert_eq!(log.take(), "a rejects");

    // A shadow writes down and lets through, and tells the policy the ends of those that it would have admitted
    let shadow = Shadow::new((p("a", Does::Admit), p("b", Does::Reject)));
    assert!(call(shadow.clone(), Script::Ok).is_ok());
    assert_eq!(log.take(), "a, b rejects, undo a");
    assert_eq!(shadow.would_have_rejected(), 1);
    let shadow = Shadow::new(p("a", Does::Admit));
    assert_eq!(call((shadow.clone(), p("b", Does::Reject)), Script::Ok).unwrap_err().unwrap().by().as_str(), "b");
    assert_eq!(log.take(), "a, b rejects, undo a");
    assert_eq!(shadow.would_have_rejected(), 0);
}

#[test]
fn the_first_shut_policy_answers_for_all_and_a_shadowed_one_does_not() {
    let log = Log::default();
    let p = |name, does| Recording::new(name, does, &log);
    let probe = Probe::<Asks>::new(Script::NotReady);

    // Wherever in a group the shut one is, the service that hangs is not asked, and no policy admits anything
    let group = (None::<Recording>, p("a", Does::Admit), (Some(p("b", Does::Shut)), Arc::new(p("c", Does::Shut))));
    let service = guard(group).layer(probe.clone());
    let error = settled(service.oneshot(Ask::default())).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "b");
    assert_eq!((log.take().as_str(), probe.ready_polls()), ("", 0));

    // A promise is kept once: what was promised in `poll_ready` is not what the call after next gets
    let service = guard(Shadow::new(p("d", Does::Shut))).layer(probe.clone());
    let mut waiting = Box::pin(service.oneshot(Ask::default()));
    assert!(poll(waiting.as_mut()).is_pending());
    assert_eq!(probe.ready_polls(), 1);
}

#[test]
fn guards_stacked_ignore_each_others_rejections() {
    // Given a policy around another one, each its own layer
    let log = Log::default();
    let outer = Recording::new("outer", Does::Admit, &log);
    let inner = Recording::new("inner", Does::Reject, &log);
    let service = ServiceBuilder::new()
        .layer(outer.layer())
        .layer(inner.layer())
        .service(service_fn(|n: u32| async move { Ok::<_, BoxError>(n) }));

    // When the inner one rejects, the outer one hears that this says nothing about the dependency
    let error = settled(service.oneshot(1)).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "inner");
    assert_eq!(log.take(), "outer, inner rejects, outer Ignored");
}

/// A policy as a user writes one: so many calls, and no more.
#[derive(Clone, Debug)]
struct Quota {
    name: Name,
    left: Arc<AtomicU64>,
}

impl Policy for Quota {
    type Kind = cofferdam::Immediate;
    type Token = ();

    fn settle(&self, (): (), _: &Ended) {}

    fn undo(&self, (): (), _: Instant) {
        self.left.fetch_add(1, Ordering::AcqRel);
    }
}

impl<Request> Admit<Request> for Quota {
    fn admit(&self, _: &Request, _: Instant) -> Result<(), Rejected> {
        let take = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(Rejected::new(self.name, Why::Refused)),
        }
    }
}

#[test]
fn a_policy_of_your_own_takes_thirty_lines() {
    // Given a quota of three, in front of a bulkhead whose one slot is taken
    let quota = Quota { name: Name::new("quota").unwrap(), left: Arc::new(AtomicU64::new(3)) };
    let slots = Bulkhead::builder("composition").limit(1).build().unwrap();
    let service = guard(quota.clone().and(slots.clone())).layer(Probe::<Asks>::new(Script::After(1)));
    let mut first = Box::pin(service.clone().oneshot(Ask::default()));
    assert!(poll(first.as_mut()).is_pending());

    // When calls are rejected by the bulkhead, they cost nothing of the quota
    for _ in 0..10 {
        let error = settled(service.clone().oneshot(Ask::default())).unwrap_err();
        assert_eq!(Rejected::find(error.as_ref()).unwrap().why(), Why::Full);
    }
    assert_eq!(quota.left.load(Ordering::Acquire), 2);

    // And when it is used up, the quota is what rejects
    assert_eq!(settled(first).unwrap(), 1);
    for _ in 0..2 {
        let mut next = Box::pin(service.clone().oneshot(Ask::default()));
        assert!(poll(next.as_mut()).is_pending());
        assert_eq!(settled(next).unwrap(), 1);
    }
    let error = settled(service.oneshot(Ask::default())).unwrap_err();
    assert_eq!(Rejected::find(error.as_ref()).unwrap().by().as_str(), "quota");
    assert_eq!(slots.in_flight(), 0);
}
