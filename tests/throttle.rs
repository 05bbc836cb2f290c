//! Stories of adaptive throttles: one client and its server, and many clients of one.
#![cfg(feature = "test-util")]
#![allow(missing_docs)]

use std::{future::ready, time::Duration};

use cofferdam::{
    AdaptiveThrottle, Admit, BoxError, Criticality, Ended, Event, Instant, Keyed, Outcome, Policy, Rejected, TaskKey,
    ThrottleState, Timing, What, Why, context::Rank, guard, observe, throttle::Builder,
};
use tower::{Layer, ServiceExt, service_fn};

type ByRank = fn(&Rank) -> Rank;
type Throttle = AdaptiveThrottle<ByRank>;

fn itself(rank: &Rank) -> Rank {
    *rank
}

/// Requests are their own ranks.
fn builder() -> Builder<ByRank> {
    AdaptiveThrottle::builder("search").rank(itself)
}

fn throttle() -> Throttle {
    builder().build().unwrap()
}

fn rank(criticality: Criticality, task: u64) -> Rank {
    Rank::in_epoch(criticality, TaskKey::from_bits(task), 0)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> Instant {
    Instant::ORIGIN.after(ms(millis))
}

fn settle(throttle: &Throttle, token: cofferdam::throttle::Token, outcome: Outcome, millis: u64) {
    throttle.settle(token, &Ended::new(outcome, at(millis), at(millis)));
}

/// Admitted and answered in the same moment. Returns whether it was sent.
fn call(throttle: &Throttle, rank: Rank, outcome: Outcome, millis: u64) -> bool {
    match throttle.admit(&rank, at(millis)) {
        Ok(token) => {
            settle(throttle, token, outcome, millis);
            true
        }
        Err(rejected) => {
            assert_eq!((rejected.why(), rejected.retry_after()), (Why::Throttled, None));
            false
        }
    }
}

/// A call of each class per millisecond, all of which get that answer. Returns how many of each were sent.
fn second_of(throttle: &Throttle, outcome: Outcome, from: u64) -> [u32; 4] {
    let mut sent = [0; 4];
    for millis in from..from + 1_000 {
        for class in Criticality::ALL {
            sent[class as usize] += u32::from(call(throttle, rank(class, millis), outcome, millis));
        }
    }
    sent
}

#[test]
fn while_nothing_is_rejected_everything_is_sent_and_nothing_is_counted() {
    let throttle = throttle();
    for outcome in [Outcome::Success, Outcome::Failure, Outcome::Ignored, Outcome::Abandoned] {
        assert_eq!(second_of(&throttle, outcome, 5_000), [1_000; 4]);
    }
    assert_eq!(throttle.state(), ThrottleState::Calm);
    assert_eq!(throttle.load_at(at(9_000)).demand, 0.0);
}

#[test]
fn one_overload_among_many_cuts_nothing() {
    let throttle = throttle();
    assert!(call(&throttle, rank(Criticality::Critical, 1), Outcome::Overload, 5_000));
    assert_eq!(throttle.state(), ThrottleState::Pressed);
    assert_eq!(second_of(&throttle, Outcome::Success, 5_000), [1_000; 4]);
}

/// The last share flows, from the top, and the rest is cut.
#[test]
fn a_server_that_takes_nothing_is_sent_what_the_cap_leaves() {
    let throttle = throttle();
    second_of(&throttle, Outcome::Overload, 5_000);
    let sent = second_of(&throttle, Outcome::Overload, 6_000);
    assert_eq!(sent[..3], [0, 0, 0], "what matters less is not sent");
    // A twentieth of four thousand calls.
    assert!((150..=250).contains(&sent[3]), "{sent:?}");
}

#[test]
fn after_an_outage_everything_flows_again_within_a_few_time_constants() {
    let throttle = throttle();
    for second in 5..65 {
        second_of(&throttle, Outcome::Overload, second * 1_000);
    }
    second_of(&throttle, Outcome::Success, 65_000);
    second_of(&throttle, Outcome::Success, 66_000);
    assert_eq!(second_of(&throttle, Outcome::Success, 67_000), [1_000; 4]);
    // And when there was no overload for eight of them, it is calm.
    second_of(&throttle, Outcome::Success, 69_500);
    assert_eq!(throttle.state(), ThrottleState::Calm);
}

/// Nothing is good for three seconds, which is six time constants. The first good answer opens it at once, and what is rejected within a
/// time constant from then on is not held against the server; after that it is.
#[test]
fn the_first_good_answer_after_a_total_outage_lets_everything_through() {
    let throttle = throttle();
    let (low, top) = (rank(Criticality::Sheddable, 1), rank(Criticality::CriticalPlus, 1));
    for second in 5..8 {
        second_of(&throttle, Outcome::Overload, second * 1_000);
    }
    assert!(!call(&throttle, low, Outcome::Overload, 8_000));
    let first = (8_000..8_500).find(|millis| call(&throttle, top, Outcome::Success, *millis)).unwrap();
    assert!((first..first + 490).all(|millis| call(&throttle, low, Outcome::Overload, millis)));
    second_of(&throttle, Outcome::Overload, first + 510);
    second_of(&throttle, Outcome::Overload, first + 1_510);
    let sent = second_of(&throttle, Outcome::Overload, first + 2_510);
    assert!(sent.iter().sum::<u32>() < 400, "{sent:?}");
}

/// A second and a half of rejections may be chance: then it opens step by step.
#[test]
fn a_good_answer_after_a_short_time_of_rejections_opens_nothing_at_once() {
    let throttle = throttle();
    second_of(&throttle, Outcome::Overload, 5_000);
    let millis =
        (6_500..7_000).find(|millis| call(&throttle, rank(Criticality::CriticalPlus, 1), Outcome::Success, *millis));
    let sent = (0..100).filter(|_| call(&throttle, rank(Criticality::Sheddable, 1), Outcome::Success, millis.unwrap()));
    assert!(sent.count() < 50);
}

/// What was sent during an outage and is rejected after it takes nothing back of what was counted since.
#[test]
fn a_rejection_of_a_call_from_before_the_restart_is_not_counted() {
    let throttle = throttle();
    let top = rank(Criticality::CriticalPlus, 1);
    call(&throttle, top, Outcome::Overload, 5_000);
    let old = throttle.admit(&top, at(7_500)).unwrap();
    assert!(call(&throttle, top, Outcome::Success, 7_500));
    // The calls from before are forgotten with the outage.
    assert_eq!(throttle.load_at(at(7_500)).demand, 0.0);
    assert!(call(&throttle, top, Outcome::Success, 7_500));
    settle(&throttle, old, Outcome::Overload, 7_500);
    assert_eq!(throttle.load_at(at(7_500)).accepted, 1.0);
}

#[test]
fn a_long_idle_time_forgets_the_pressure() {
    let throttle = throttle();
    second_of(&throttle, Outcome::Overload, 5_000);
    assert!(!call(&throttle, rank(Criticality::Sheddable, 1), Outcome::Success, 6_000));
    assert_eq!(throttle.state(), ThrottleState::Pressed);
    assert!(call(&throttle, rank(Criticality::Sheddable, 1), Outcome::Success, 60_000));
    assert_eq!(throttle.state(), ThrottleState::Calm);
}

/// Few calls are no reason to cut any: two in a time constant are always sent, so one that comes rarely is never cut.
#[test]
fn a_call_that_comes_rarely_is_always_sent() {
    let throttle = throttle();
    for nth in 0..100 {
        assert!(call(&throttle, rank(Criticality::Sheddable, nth), Outcome::Overload, 5_000 + 300 * nth));
    }
}

/// Calls that are sent count as taken until somebody says otherwise; timeouts and failures do not say so.
#[test]
fn only_overloads_take_acceptance_back() {
    for outcome in [Outcome::Failure, Outcome::Abandoned, Outcome::Success] {
        let throttle = throttle();
        call(&throttle, rank(Criticality::Critical, 1), Outcome::Overload, 5_000);
        assert_eq!(second_of(&throttle, outcome, 5_000), [1_000; 4], "{outcome:?}");
        let load = throttle.load_at(at(6_000));
        assert!(load.demand > 1_500.0 && (load.demand - load.accepted).abs() < 1.5, "{load:?}");
    }
}

/// A call that a policy further in rejected did not get to the server: it counts neither way. So does one that was taken back.
#[test]
fn a_call_that_was_never_made_is_not_counted() {
    let throttle = throttle();
    let top = rank(Criticality::CriticalPlus, 1);
    call(&throttle, top, Outcome::Overload, 5_000);
    for _ in 0..1_000 {
        call(&throttle, top, Outcome::Ignored, 5_000);
        throttle.undo(throttle.admit(&top, at(5_000)).unwrap(), at(5_000));
    }
    let load = throttle.load_at(at(5_000));
    assert_eq!((load.demand, load.accepted), (0.0, 0.0));
}

/// What was sent before the pressure began takes nothing back of what was counted since.
#[test]
fn an_end_belongs_to_the_time_of_pressure_in_which_it_began() {
    let throttle = throttle();
    let top = rank(Criticality::CriticalPlus, 1);
    let early: Vec<_> = (0..100).map(|_| throttle.admit(&top, at(5_000)).unwrap()).collect();
    call(&throttle, top, Outcome::Overload, 5_000);
    let second: Vec<_> = (0..100).map(|_| throttle.admit(&top, at(5_000)).unwrap()).collect();
    early.into_iter().for_each(|token| settle(&throttle, token, Outcome::Overload, 5_000));
    assert_eq!(throttle.load_at(at(5_000)).accepted, 100.0);
    throttle.reset();
    assert_eq!(throttle.state(), ThrottleState::Calm);
    call(&throttle, top, Outcome::Overload, 5_000);
    second.into_iter().for_each(|token| settle(&throttle, token, Outcome::Overload, 5_000));
    assert!(call(&throttle, top, Outcome::Success, 5_000));
    assert_eq!(throttle.load_at(at(5_000)).accepted, 1.0);
}

#[test]
fn a_coin_cuts_all_ranks_alike() {
    let throttle = builder().coin(true).build().unwrap();
    for second in 5..7 {
        second_of(&throttle, Outcome::Overload, second * 1_000);
    }
    let sent = second_of(&throttle, Outcome::Overload, 7_000);
    // A twentieth of each: 50, give or take five times seven.
    assert!(sent.iter().all(|sent| (15..=85).contains(sent)), "{sent:?}");
}

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

/// Sixteen clients of one server that can do 800 calls in a second, and are asked for 3,200. A rejection costs the server a tenth
/// of a call; what it can do, it does for the highest ranks first.
struct Server {
    clients: Vec<Throttle>,
    /// Over all that was asked for in the end: of the top class, and of it those that were served; calls that arrived, and served.
    top: (f64, f64),
    arrived: f64,
    served: f64,
}

impl Server {
    const TICKS: u64 = 1_000;
    const CAPACITY: f64 = 8.0;

    fn run(clients: Vec<Throttle>) -> Self {
        let mut server = Self { clients, top: (0.0, 0.0), arrived: 0.0, served: 0.0 };
        let mut task = 0;
        for tick in 0..Self::TICKS {
            let now = at(5_000 + 10 * tick);
            // The first two seconds are for finding the margin.
            let counts = f64::from(u8::from(tick >= 200));
            let mut arrivals = Vec::new();
            for (client, nth) in (0..server.clients.len()).flat_map(|client| [(client, 0), (client, 1)]) {
                task += 1;
                // A fifth matters most: with 640 calls in a second, four fifths of what the server can do.
                let class = match (task + nth) % 10 {
                    0 | 1 => Criticality::CriticalPlus,
                    2..5 => Criticality::Critical,
                    _ => Criticality::Sheddable,
                };
                let rank = rank(class, task);
                server.top.0 += counts * f64::from(u8::from(class == Criticality::CriticalPlus));
                if let Ok(token) = server.clients[client].admit(&rank, now) {
                    arrivals.push((rank, client, token));
                }
            }
            server.arrived += counts * arrivals.len() as f64;
            arrivals.sort_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
            // What is served and what is rejected cost together what there is.
            let takes =
                ((Self::CAPACITY - 0.1 * arrivals.len() as f64) / 0.9).clamp(0.0, Self::CAPACITY).round() as usize;
            for (nth, (rank, client, token)) in arrivals.into_iter().enumerate() {
                let outcome = if nth < takes { Outcome::Success } else { Outcome::Overload };
                server.clients[client].settle(token, &Ended::new(outcome, now, now.after(ms(10))));
                if nth < takes {
                    server.served += counts;
                    server.top.1 += counts * f64::from(u8::from(rank.criticality() == Criticality::CriticalPlus));
                }
            }
        }
        server
    }

    fn share_of_the_top(&self) -> f64 {
        self.top.1 / self.top.0
    }

    /// As a multiple of what the server can do.
    fn load(&self, calls: f64) -> f64 {
        calls / (Self::CAPACITY * (Self::TICKS - 200) as f64)
    }
}

#[test]
fn with_many_clients_of_one_server_the_order_saves_what_a_coin_takes() {
    let sixteen = |build: &dyn Fn() -> Throttle| (0..16).map(|_| build()).collect();
    let order = Server::run(sixteen(&throttle));
    let coin = Server::run(sixteen(&|| builder().coin(true).build().unwrap()));
    let (whole, tossed) = (order.share_of_the_top(), coin.share_of_the_top());
    println!("top class served: by order {whole:.3}, by coin {tossed:.3}");
    println!("arrived: {:.2}, {:.2}", order.load(order.arrived), coin.load(coin.arrived));
    println!("served: {:.2}, {:.2}", order.load(order.served), coin.load(coin.served));
    assert!(whole > 0.95, "{whole}");
    assert!(tossed < 0.5, "{tossed}");
    // Both send little more than is taken, and the server is busy with what it is for.
    assert!(order.load(order.arrived) < 1.4 && order.load(order.served) > 0.9);
    // Without a throttle, four times as much arrives.
    let none = Server::run(sixteen(&|| builder().aggression(100.0).keen_aggression(100.0).build().unwrap()));
    println!(
        "without: top {:.3}, arrived {:.2}, served {:.2}",
        none.share_of_the_top(),
        none.load(none.arrived),
        none.load(none.served)
    );
    assert!(none.load(none.arrived) > 3.9 && none.load(none.served) < 0.8);
}
