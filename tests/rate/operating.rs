//! Settings that change, warming up, and what is told.

use std::num::NonZeroU32;

use super::*;

/// The rate goes to and fro a thousand times a second: in the long run no more come in than under the faster of the two.
#[test]
fn defect_159_changing_the_rate_earns_nobody_a_burst() {
    type Setting = (u32, u32);
    let cases: [(Setting, Setting); 4] =
        [((10, 10), (100, 100)), ((10, 10), (10, 1000)), ((100, 1), (1, 100)), ((50, 50), (50, 50))];
    for (one, other) in cases {
        let (limit, start) = (limit(per_second(one.0), one.1), Instant::now());
        drain(&limit, start);
        let mut admitted = 0;
        for millis in 1..=20_000_u64 {
            let now = start.after(Duration::from_millis(millis));
            let (rate, burst) = if millis % 2 == 0 { one } else { other };
            limit.configure_at(now, |settings| settings.rate(per_second(rate)).burst(burst)).unwrap();
            admitted += drain(&limit, now);
        }
        let most = 20 * one.0.max(other.0) + 1;
        assert!(admitted <= most, "{one:?} {other:?}: {admitted} of {most}");
    }
}

/// What has been used stays used as a share, and what is free never becomes more.
#[test]
fn defect_159_what_has_been_used_stays_used() {
    let (limit, now) = (limit(per_second(10), 10), Instant::now());
    let weighted = limit.clone().weighted(crate::support::weight_of);
    weighted.admit(&5, now).unwrap();
    let change = |burst: u32| limit.configure_at(now, |settings| settings.burst(burst)).unwrap();
    change(4);
    assert_eq!(limit.free_at(now), 2, "half of it");
    change(100);
    assert_eq!(limit.free_at(now), 2, "no more than there were");
    limit.configure_at(now, |settings| settings.rate(per_second(1000))).unwrap();
    assert_eq!(limit.free_at(now), 2);
    assert_eq!(limit.free_at(now.after(98 * MILLISECOND)), 100);
    assert!(limit.configure_at(now, |settings| settings.burst(0)).is_err());
    assert_eq!((limit.burst(), limit.rate()), (100, per_second(1000)));
}

/// Cold, it lets a third through; under full load it climbs evenly; and what is not used cools down.
#[test]
fn a_cold_limit_warms_up_under_load_and_cools_down_without() {
    let warming = RateLimit::builder("cache", per_second(90)).burst(9).warm_up(30 * SECOND).build().unwrap();
    let start = Instant::now().after(3600 * SECOND);
    assert_eq!(warming.free_at(start), 3, "a third of the burst");
    let load = |from: Instant, seconds: u32| {
        let millis = (0..u64::from(seconds) * 1000).map(|millis| from.after(Duration::from_millis(millis)));
        millis.map(|now| drain(&warming, now)).sum::<u32>()
    };
    // 30 per second at first and 90 in the end: in each second of the climb two more than in the one before.
    let mut at = start;
    for second in 0..40 {
        let admitted = load(at, 1);
        let expected = if second < 30 { 31 + 2 * second } else { 90 };
        let burst = if second == 0 { 9 } else { 0 };
        assert!(admitted.abs_diff(expected) <= 4 + burst, "second {second}: {admitted}, not {expected}");
        at = at.after(SECOND);
    }
    assert_eq!(warming.free_at(at.after(SECOND)), 8, "a moment without load makes little difference");
    // Idle for half of the warm-up, it is half cold; for all of it, wholly.
    assert_eq!(warming.free_at(at.after(15 * SECOND)), 6);
    assert_eq!(warming.free_at(at.after(31 * SECOND)), 3);
    let admitted = load(at.after(31 * SECOND), 1);
    assert!((30..40).contains(&admitted), "{admitted}");
}

/// What asks for more than a cold limit has at once is let in when nothing else is: it would wait forever.
#[test]
fn a_cold_limit_lets_in_what_a_warm_one_would() {
    let builder = RateLimit::builder("cache", per_second(10)).burst(10);
    let limit = builder.warm_up(10 * SECOND).cold_factor(5).build().unwrap();
    let weighted = limit.clone().weighted(crate::support::weight_of);
    let now = Instant::now();
    let first = weighted.admit(&10, now).unwrap();
    assert_eq!(weighted.admit(&1, now).unwrap_err().why(), Why::RateLimited);
    weighted.undo(first, now);
    assert_eq!(limit.free_at(now), 2);
}

/// A warm-up that is switched on while it runs takes the limit for warm, and one that is changed keeps its share.
#[test]
fn a_warm_up_may_come_and_go() {
    let (limit, now) = (limit(per_second(90), 9), Instant::now());
    let change = |time: Option<Duration>| limit.configure_at(now, |settings| settings.warm_up(time)).unwrap();
    change(Some(30 * SECOND));
    assert_eq!(limit.free_at(now), 9);
    let later = now.after(15 * SECOND);
    assert_eq!(limit.free_at(later), 6);
    limit.configure_at(later, |settings| settings.warm_up(60 * SECOND)).unwrap();
    assert!(limit.free_at(later) >= 5 && limit.free_at(later.after(15 * SECOND)) >= 4);
    limit.configure_at(later, |settings| settings.warm_up(None)).unwrap();
    assert_eq!(limit.free_at(later.after(SECOND)), 9);
}

/// Operators read and change it by name, as text.
#[test]
fn operators_read_and_change_it_by_name() {
    let limit = limit(per_second(100), 20);
    let control: &dyn Control = &limit;
    assert_eq!((control.name().as_str(), control.state().as_str()), ("search", "20 of 20 free"));
    let settings = control.settings();
    let all: Vec<_> = settings.iter().map(|setting| (setting.name, setting.value.as_str())).collect();
    assert_eq!(all, [("rate", "100 per 1s"), ("burst", "20"), ("warm_up", "none"), ("cold_factor", "3")]);
    for setting in &settings {
        control.configure(setting.name, &setting.value).unwrap();
    }
    control.configure("rate", "6000 per 1m").unwrap();
    control.configure("warm_up", "30s").unwrap();
    assert_eq!(limit.rate(), Rate::per_minute(6000).unwrap());
    for (setting, value) in
        [("rate", "100"), ("rate", "0 per 1s"), ("burst", "0"), ("cold_factor", "1"), ("state", "1")]
    {
        assert!(control.configure(setting, value).is_err(), "{setting} {value}");
    }
    assert!(control.force("open").is_err());

    let patient: Box<dyn Control> = Box::new(patient(per_second(1), 1, 10).weighted(|(): &()| NonZeroU32::MIN));
    assert_eq!(patient.state(), "1 of 1 free, 0 waiting");
    assert_eq!(patient.settings().len(), 7);
    patient.configure("queue", "20").unwrap();
}

/// A change of the rate is an event: in permits per day, which say of any rate something.
#[test]
fn observers_hear_of_changes_and_rejections() {
    use cofferdam::{Event, What, observe};

    let builder = RateLimit::builder("rate-of-this-test", per_second(1)).burst(1);
    let limit = builder.build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let _subscription = observe(move |event: &Event| {
        if event.by.as_str() == "rate-of-this-test" {
            writes.lock().unwrap().push(event.what);
        }
    });
    limit.set_rate(Rate::per_minute(1).unwrap()).unwrap();
    limit.set_rate(Rate::per_minute(1).unwrap()).unwrap();
    let heard = heard.lock().unwrap();
    assert!(matches!(heard[..], [What::LimitChanged { from: 86_400, to: 1_440, .. }]), "{heard:?}");
}
