//! Who is let in, who waits, and who is turned away.

use super::*;

/// One that runs, and holds the only slot.
async fn busy(shed: &Shed) -> (oneshot::Sender<()>, Call) {
    let (ends, mut runs) = call(shed, Ask::of(Critical));
    assert!(poll!(&mut runs).is_pending());
    assert_eq!(shed.limit().in_flight(), 1);
    (ends, runs)
}

fn why(answer: Poll<Answer>) -> Option<Why> {
    match answer {
        Poll::Ready(Err(Refused::Rejected(rejected))) => Some(rejected.why()),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_matters_most_goes_first_whenever_it_came() {
    let shed = shed(1);
    let (ends, mut runs) = busy(&shed).await;
    let (low_ends, mut low) = call(&shed, Ask::of(Sheddable));
    assert!(poll!(&mut low).is_pending());
    let (high_ends, mut high) = call(&shed, Ask::of(CriticalPlus));
    assert!(poll!(&mut high).is_pending());
    assert_eq!(shed.waiting(), 2);

    ends.send(()).unwrap();
    assert!(matches!(poll!(&mut runs), Poll::Ready(Ok(1))));
    assert!(poll!(&mut low).is_pending() && poll!(&mut high).is_pending());
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (1, 1));
    high_ends.send(()).unwrap();
    assert!(matches!(poll!(&mut high), Poll::Ready(Ok(1))));
    assert!(poll!(&mut low).is_pending());
    low_ends.send(()).unwrap();
    assert!(matches!(poll!(&mut low), Poll::Ready(Ok(1))));
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_line_makes_room_for_what_matters_more_and_turns_the_rest_away() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(2).build().unwrap();
    let (_ends, _runs) = busy(&shed).await;
    let (_, mut first) = call(&shed, Ask::of(SheddablePlus));
    let (_, mut second) = call(&shed, Ask::of(Critical));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());

    let (_, mut lower) = call(&shed, Ask::of(Sheddable));
    assert_eq!(why(poll!(&mut lower)), Some(Why::Shed));
    let (_, mut higher) = call(&shed, Ask::of(CriticalPlus));
    assert!(poll!(&mut higher).is_pending());
    assert_eq!(why(poll!(&mut first)), Some(Why::Displaced));
    assert_eq!(shed.waiting(), 2);
    assert!((shed.saturation() - 1.0).abs() < 1e-9);
}

/// As on a thread that is busy: a call is woken, and it takes a while until it is polled.
const LATE: Duration = Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn whoever_comes_late_to_its_turn_loses_its_place_to_nobody_who_matters_less() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(2).build().unwrap();
    let (ends, mut runs) = busy(&shed).await;
    let (_high_ends, mut high) = call(&shed, Ask::of(CriticalPlus));
    let (_next_ends, mut next) = call(&shed, Ask::of(Critical));
    assert!(poll!(&mut high).is_pending() && poll!(&mut next).is_pending());
    ends.send(()).unwrap();
    assert!(poll!(&mut runs).is_ready());
    advance(LATE).await;

    // The line is full, as whoever was called and has not come is in it again.
    let (_, mut lower) = call(&shed, Ask::of(Sheddable));
    assert_eq!(why(poll!(&mut lower)), Some(Why::Shed));
    assert!(poll!(&mut high).is_pending() && poll!(&mut next).is_pending());
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn whoever_never_comes_to_its_turn_keeps_nobody_out() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(2).build().unwrap();
    let (ends, mut runs) = busy(&shed).await;
    let mut forgotten: Vec<_> = (0..2).map(|_| call(&shed, Ask::of(CriticalPlus))).collect();
    for (_, call) in &mut forgotten {
        assert!(poll!(call).is_pending());
    }
    ends.send(()).unwrap();
    assert!(poll!(&mut runs).is_ready());
    for _ in 0..2 {
        advance(LATE).await;
        shed.configure("max_limit", "1").unwrap();
    }
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (2, 0));

    // What is free is theirs for a while, and then nobody expects them any more.
    let (_, mut early) = call(&shed, Ask::of(Sheddable));
    assert_eq!(why(poll!(&mut early)), Some(Why::Shed));
    advance(Duration::from_secs(1)).await;
    let (ends, mut low) = call(&shed, Ask::of(Sheddable));
    assert!(poll!(&mut low).is_pending());
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (2, 1));
    let (next_ends, mut next) = call(&shed, Ask::of(Sheddable));
    assert!(poll!(&mut next).is_pending());
    ends.send(()).unwrap();
    assert!(poll!(&mut low).is_ready());
    assert!(poll!(&mut next).is_pending());
    next_ends.send(()).unwrap();
    assert!(matches!(poll!(&mut next), Poll::Ready(Ok(1))));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_late_to_its_turn_goes_before_who_was_called_after_it_and_matters_less() {
    let shed = shed(1);
    let (ends, mut runs) = busy(&shed).await;
    let (high_ends, mut high) = call(&shed, Ask::of(CriticalPlus));
    let (low_ends, mut low) = call(&shed, Ask::of(Sheddable));
    assert!(poll!(&mut high).is_pending() && poll!(&mut low).is_pending());
    ends.send(()).unwrap();
    assert!(poll!(&mut runs).is_ready());
    advance(LATE).await;
    // Somebody looks at the line, and the slot is kept for the other now.
    shed.configure("max_limit", "1").unwrap();
    assert_eq!(shed.waiting(), 1);

    assert!(poll!(&mut high).is_pending());
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (1, 1));
    assert!(poll!(&mut low).is_pending());
    high_ends.send(()).unwrap();
    assert!(matches!(poll!(&mut high), Poll::Ready(Ok(1))));
    assert!(poll!(&mut low).is_pending());
    low_ends.send(()).unwrap();
    assert!(matches!(poll!(&mut low), Poll::Ready(Ok(1))));
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_the_line_leave_nothing_behind() {
    let shed = shed(1);
    let (ends, mut runs) = busy(&shed).await;
    for _ in 0..100 {
        let (_, mut waits) = call(&shed, Ask::of(Critical));
        assert!(poll!(&mut waits).is_pending());
    }
    assert_eq!(shed.waiting(), 0);
    ends.send(()).unwrap();
    assert!(poll!(&mut runs).is_ready());
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn defect_165_what_cannot_be_done_in_time_is_not_begun() {
    let shed = shed(1);
    // It learns that a call takes 100 ms.
    for _ in 0..40 {
        let (ends, mut runs) = call(&shed, Ask::within(Critical, 1000));
        assert!(poll!(&mut runs).is_pending());
        advance(Duration::from_millis(100)).await;
        ends.send(()).unwrap();
        assert!(poll!(&mut runs).is_ready());
    }
    let (_ends, _runs) = busy(&shed).await;
    // Of 300 ms, a call that is grave can wait for 200, and one that matters less for 100.
    let (_, mut grave) = call(&shed, Ask::within(CriticalPlus, 300));
    let (_, mut low) = call(&shed, Ask::within(Sheddable, 300));
    assert!(poll!(&mut grave).is_pending() && poll!(&mut low).is_pending());
    advance(Duration::from_millis(110)).await;
    assert_eq!(why(poll!(&mut low)), Some(Why::Shed));
    assert!(poll!(&mut grave).is_pending());
    advance(Duration::from_millis(100)).await;
    assert_eq!(why(poll!(&mut grave)), Some(Why::Shed));

    let (_, mut too_late) = call(&shed, Ask::within(CriticalPlus, 50));
    assert_eq!(why(poll!(&mut too_late)), Some(Why::Shed));
    let (_, mut expired) = call(&shed, Ask::within(CriticalPlus, 0));
    assert_eq!(why(poll!(&mut expired)), Some(Why::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_takes_no_slot_that_is_free() {
    let shed = shed(1);
    let (_, mut expired) = call(&shed, Ask::within(CriticalPlus, 0));
    assert_eq!(why(poll!(&mut expired)), Some(Why::Expired));
    assert_eq!(shed.limit().in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn defect_161_health_checks_are_not_shed() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(1).build().unwrap();
    let (_ends, _runs) = busy(&shed).await;
    let (_, mut waits) = call(&shed, Ask::of(CriticalPlus));
    assert!(poll!(&mut waits).is_pending());
    let health = Ask { health: true, ..Ask::of(Sheddable) };
    let mut checks = Vec::new();
    for _ in 0..16 {
        let (ends, mut check) = call(&shed, health.clone());
        assert!(poll!(&mut check).is_pending());
        checks.push((ends, check));
    }
    assert_eq!((shed.limit().in_flight(), shed.waiting()), (1, 1));
    // So many at a time is no health check any more.
    let (_, mut one_more) = call(&shed, health.clone());
    assert_eq!(why(poll!(&mut one_more)), Some(Why::Shed));
    drop(checks);
    let (ends, mut check) = call(&shed, health);
    assert!(poll!(&mut check).is_pending());
    ends.send(()).unwrap();
    assert!(matches!(poll!(&mut check), Poll::Ready(Ok(1))));
}

#[cfg(feature = "http")]
#[test]
fn defect_161_what_asks_only_how_it_is_is_known_by_its_path() {
    let is = |path: &str| http::Request::get(path).body(()).unwrap().is_health_check();
    assert!(is("/healthz") && is("/readyz?verbose") && is("/grpc.health.v1.Health/Check"));
    assert!(!is("/") && !is("/healthz/../admin") && !is("/orders/health"));
}

#[tokio::test(start_paused = true)]
async fn defect_163_a_class_with_a_share_is_not_starved() {
    let strict = served(&shed(1), 400).await;
    let shared: Shed = LoadShed::builder(limit(1)).min_share(Sheddable, 0.2).build().unwrap();
    let shared = served(&shared, 400).await;
    assert!(strict[1] <= 2 && shared[1] >= 40 && shared[0] >= 100, "{strict:?} and {shared:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_has_the_same_fate_in_every_service() {
    let asks: Vec<_> = (0..200_u32).map(|task| Rank::of(Critical, Some(TaskKey::of(&task.to_string())))).collect();
    let again: Vec<_> = (0..200_u32).map(|task| Rank::of(Critical, Some(TaskKey::of(&task.to_string())))).collect();
    assert_eq!(asks, again);
    assert!(asks.iter().any(|rank| rank != &asks[0]));
    assert_eq!(CarriedRank.rank(&Ask::of(Sheddable)).criticality(), Sheddable);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_rejections_takes_no_place() {
    let shed: Shed = LoadShed::builder(limit(1)).max_queue(4).build().unwrap();
    let (_ends, _runs) = busy(&shed).await;
    let mut waits = Vec::new();
    // One and a half times the limit, and so two.
    for _ in 0..2 {
        let (ends, mut call) = call(&shed, Ask::of(CriticalPlus));
        assert!(poll!(&mut call).is_pending());
        waits.push((ends, call));
    }
    for _ in 0..100_000 {
        assert_eq!(shed.admit(&Ask::of(Sheddable), Instant::now()).unwrap_err().why(), Why::Shed);
    }
    assert_eq!((shed.waiting(), shed.limit().in_flight()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn operators_steer_the_limit_and_the_line() {
    let shed: Shed = LoadShed::builder(limit(3)).build().unwrap();
    assert_eq!(Control::state(&shed), "0 of 3 taken, 0 waiting");
    shed.configure("max_queue", "7").unwrap();
    shed.configure("max_limit", "9").unwrap();
    let value = |name| Control::settings(&shed).into_iter().find(|setting| setting.name == name).unwrap().value;
    assert_eq!((value("max_queue"), value("max_limit")), ("7".into(), "9".into()));
    assert_eq!(shed.configure("max_queue", "0").unwrap_err().field(), "max_queue");
    assert_eq!(shed.configure("colour", "red").unwrap_err().field(), "setting");
}

#[test]
fn what_cannot_be_is_not_built() {
    let field = |build: fn(
        cofferdam::shed::Builder<Knee, CarriedDeadline>,
    ) -> cofferdam::shed::Builder<Knee, CarriedDeadline>| {
        build(LoadShed::builder(limit(1))).build().unwrap_err().field()
    };
    assert_eq!(field(|builder| builder.max_queue(0)), "max_queue");
    assert_eq!(field(|builder| builder.min_share(Critical, f64::NAN)), "min_share");
    assert_eq!(field(|builder| builder.min_share(Critical, 0.7).min_share(Sheddable, 0.7)), "min_share");
    assert_eq!(field(|builder| builder.queue_delay(Duration::ZERO)), "queue_delay");
}
