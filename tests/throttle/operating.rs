//! As a service, under keys, and what can be seen and set.

use super::*;

/// As a service: the rejection is typed, says who and why, and the service is not called.
#[tokio::test(start_paused = true)]
async fn a_service_behind_it_is_not_called_when_it_is_cut() {
    let throttle = throttle();
    let service = guard(throttle.clone())
        .layer(service_fn(|_: Rank| ready(Err::<(), BoxError>(Rejected::new(name("inner"), Why::Shed).into()))));
    let now = Instant::now();
    let millis = now.since(Instant::ORIGIN).as_millis() as u64;
    second_of(&throttle, Outcome::Overload, millis);
    tokio::time::advance(ms(1_000)).await;
    let error = service.oneshot(rank(Criticality::Sheddable, 1)).await.unwrap_err();
    let rejected = Rejected::find(error.as_ref()).unwrap();
    assert_eq!((rejected.by().as_str(), rejected.why()), ("search", Why::Throttled));
    assert_eq!(rejected.to_string(), "rejected by `search`: the dependency is overloaded");
}

fn name(text: &str) -> cofferdam::Name {
    cofferdam::Name::new(text).unwrap()
}

#[test]
fn changes_of_state_are_told_in_order() {
    use std::sync::{Arc, Mutex};

    let throttle = AdaptiveThrottle::builder("heard").rank(itself as ByRank).build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let writes = Arc::clone(&heard);
    let _subscription = observe(move |event: &Event| {
        if let (What::StateChanged { from, to, .. }, "heard") = (event.what, event.by.as_str()) {
            writes.lock().unwrap().push((from, to));
        }
    });
    call(&throttle, rank(Criticality::Critical, 1), Outcome::Overload, 5_000);
    call(&throttle, rank(Criticality::Critical, 1), Outcome::Overload, 5_001);
    call(&throttle, rank(Criticality::Critical, 1), Outcome::Success, 60_000);
    call(&throttle, rank(Criticality::Critical, 1), Outcome::Overload, 60_001);
    throttle.reset();
    throttle.reset();
    let (calm, pressed) = ("calm", "pressed");
    assert_eq!(*heard.lock().unwrap(), [(calm, pressed), (pressed, calm), (calm, pressed), (pressed, calm)]);
}

/// Each key has pressure of its own.
#[test]
fn under_keys_one_server_is_throttled_and_the_other_is_not() {
    let template = AdaptiveThrottle::builder("shards").rank(|(_, rank): &(u32, Rank)| *rank).build().unwrap();
    let keyed = Keyed::builder(template).by(|(shard, _): &(u32, Rank)| *shard).build().unwrap();
    let low = rank(Criticality::Sheddable, 1);
    let mut sent = [0, 0];
    for millis in 5_000..6_000 {
        for shard in [0, 1] {
            if let Ok(token) = keyed.admit(&(shard, low), at(millis)) {
                sent[shard as usize] += 1;
                let outcome = if shard == 0 { Outcome::Overload } else { Outcome::Success };
                keyed.settle(token, &Ended::new(outcome, at(millis), at(millis)));
            }
        }
    }
    assert!(sent[0] < 100 && sent[1] == 1_000, "{sent:?}");
}

#[test]
fn settings_change_while_it_runs_and_cannot_be_illegal() {
    let throttle = throttle();
    assert_eq!(<Throttle as Policy>::TIMING, Timing::Coarse);
    second_of(&throttle, Outcome::Overload, 5_000);
    throttle.configure(|settings| settings.cap(0.5)).unwrap();
    let sent = second_of(&throttle, Outcome::Overload, 6_000);
    assert!((1_900..=2_100).contains(&sent.iter().sum::<u32>()), "{sent:?}");
    let invalid = throttle.configure(|settings| settings.cap(0.5).keen_aggression(1.0)).unwrap_err();
    assert_eq!((invalid.field(), invalid.value()), ("keen_aggression", "1"));
}
