//! Those who take permits, give them back and change the settings. The moments that the limit is told stand still, as the clock
//! does.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use cofferdam::{Admit, Instant, Policy, Rate, RateLimit, waiting::Order};
use loom::{
    sync::{Arc, atomic::AtomicU32, atomic::Ordering},
    thread,
};

use super::{beside, explore, finish};

fn daily(burst: u32) -> RateLimit {
    let rate = Rate::per(1, Duration::from_secs(24 * 60 * 60)).unwrap();
    RateLimit::builder("loom", rate).burst(burst).build().unwrap()
}

fn now() -> Instant {
    Instant::ORIGIN.after(Duration::from_secs(1_000_000))
}

fn take(limit: &RateLimit) -> bool {
    Admit::<()>::admit(limit, &(), now()).is_ok()
}

/// Two permits, three who want one: two get one each.
#[test]
fn there_is_exactly_the_burst() {
    explore(3, || {
        let limit = daily(2);
        let others = [(); 2].map(|()| {
            let limit = limit.clone();
            thread::spawn(move || u32::from(take(&limit)))
        });
        let own = u32::from(take(&limit));
        let all = others.into_iter().map(|other| other.join().unwrap()).sum::<u32>() + own;
        assert_eq!((all, limit.free_at(now())), (2, 0));
    });
}

/// One gives its permit back while another one takes: none is lost, and none is made.
#[test]
fn what_is_given_back_is_there_once() {
    explore(3, || {
        let limit = daily(2);
        let other = beside(&limit, move |limit| {
            let permits = Admit::<()>::admit(limit, &(), now()).unwrap();
            limit.undo(permits, now());
        });
        assert!(take(&limit));
        other.join().unwrap();
        assert_eq!(limit.free_at(now()), 1);
    });
}

/// The burst shrinks and grows again while permits are taken: in no order are there more than at first, and nobody is judged
/// by half of one setting and half of another.
#[test]
fn a_change_makes_no_permits() {
    explore(3, || {
        let limit = daily(4);
        let taken = Arc::new(AtomicU32::new(0));
        let other = {
            let (limit, taken) = (limit.clone(), taken.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    taken.fetch_add(u32::from(take(&limit)), Ordering::SeqCst);
                }
            })
        };
        limit.configure_at(now(), |settings| settings.burst(2)).unwrap();
        limit.configure_at(now(), |settings| settings.burst(8)).unwrap();
        other.join().unwrap();
        let taken = taken.load(Ordering::SeqCst);
        assert!(taken >= 1 && taken + limit.free_at(now()) <= 4, "{taken} and {}", limit.free_at(now()));
    });
}

/// A cold limit that two find idle at once: it cools once, and lets in what a cold one does.
#[test]
fn two_who_find_it_idle_cool_it_once() {
    explore(3, || {
        let limit = daily(6);
        limit.configure_at(now(), |settings| settings.warm_up(Duration::from_secs(60 * 24 * 60 * 60))).unwrap();
        let later = now().after(Duration::from_secs(100 * 24 * 60 * 60));
        let other = beside(&limit, move |limit| u32::from(Admit::<()>::admit(limit, &(), later).is_ok()));
        let own = u32::from(Admit::<()>::admit(&limit, &(), later).is_ok());
        assert_eq!((own + other.join().unwrap(), limit.free_at(later)), (2, 0));
    });
}

/// Somebody waits for the permit that another one gives back: it is woken, whatever the order. (The clock stands still, so a
/// waiter that nobody wakes is a deadlock, which the model reports.)
#[test]
fn a_permit_that_is_given_back_wakes_who_waits_for_it() {
    explore(2, || {
        let rate = Rate::per(1, Duration::from_secs(24 * 60 * 60)).unwrap();
        let limit = RateLimit::builder("loom", rate).burst(1).queue(2).order(Order::Fifo).build().unwrap();
        let start = Instant::now();
        let permits = Admit::<()>::enter(&limit, &(), start, &mut None).unwrap();
        let giver = beside(&limit, move |limit| limit.undo(permits, start));
        let guard = limit.clone().layer();
        let run: fn() -> Ready<Result<(), ()>> = || ready(Ok(()));
        assert!(finish(guard.call(&(), run)).is_ok());
        giver.join().unwrap();
        assert_eq!(limit.waiting(), 0);
    });
}
