//! S4: a front end of 64 slots and two dependencies, of which one is in trouble.

use std::ops::Range;

use seatbelt::breaker::HalfOpenMode;

use crate::{
    clocks::{Ticking, is_deaf_to_virtual_time},
    lab::{
        Ask, Client, Pace,
        front::{Around, Dependency, Figures, Front, Trouble},
    },
    remote::{Remote, client},
    table::{Better, Row, Table},
    theirs::{self, Window},
};

/// What stands between the front end and each dependency.
#[derive(Clone, Copy)]
enum Between {
    Ours(Around),
    Lab(Around),
    /// Somebody's breaker, or something else of theirs.
    Breaker(fn(Remote<Ask>) -> Client),
    Other(fn(Remote<Ask>) -> Client),
}

struct Side(&'static str, Pace, Between);

const SIDES: [Side; 14] = [
    Side("cofferdam Pool, CircuitBreaker", Pace::Virtual, Between::Ours(Around::Pool)),
    Side("cofferdam CircuitBreaker", Pace::Virtual, Between::Ours(Around::Breaker)),
    Side("timeout", Pace::Virtual, Between::Lab(Around::Nothing)),
    // Limits that somebody has found by trying.
    Side("tower ConcurrencyLimit of 16, LoadShed", Pace::Virtual, Between::Lab(Around::Tower(16))),
    Side("tower ConcurrencyLimit of 32, LoadShed", Pace::Virtual, Between::Lab(Around::Tower(32))),
    Side("tower-resilience bulkhead, default: 25", Pace::Virtual, Between::Other(theirs::resilience_bulkhead)),
    Side(
        "tower-resilience bulkhead of 25, reject_when_full",
        Pace::Virtual,
        Between::Other(theirs::resilience_full_bulkhead),
    ),
    Side("seatbelt breaker", Pace::Virtual, Between::Breaker(|to| seatbelt(to, HalfOpenMode::progressive(None)))),
    Side(
        "seatbelt breaker, quick half-open",
        Pace::Virtual,
        Between::Breaker(|to| seatbelt(to, HalfOpenMode::quick())),
    ),
    Side("tower-resilience breaker", Pace::Real, Between::Breaker(|to| theirs::resilience_breaker(to, Window::Calls))),
    Side(
        "tower-resilience breaker, its example's minute",
        Pace::Real,
        Between::Breaker(|to| theirs::resilience_breaker(to, Window::Minute)),
    ),
    Side(
        "tower-resilience breaker over 5 s",
        Pace::Real,
        Between::Breaker(|to| theirs::resilience_breaker(to, Window::FiveSeconds)),
    ),
    Side("recloser", Pace::Real, Between::Breaker(|to| client(theirs::recloser(to)))),
    Side("failsafe", Pace::Real, Between::Breaker(|to| client(theirs::failsafe(to)))),
];

fn seatbelt(to: Remote<Ask>, mode: HalfOpenMode) -> Client {
    client(theirs::seatbelt_breaker(to, &Ticking::begin().clock(), mode))
}

impl Side {
    fn run(&self, front: Front, seeds: Range<u64>) -> Row {
        let Self(side, pace, between) = *self;
        let figures = match between {
            Between::Ours(around) | Between::Lab(around) => front.worst(around, seeds),
            Between::Breaker(other) | Between::Other(other) => {
                front.worst_by(pace, seeds, |to: Dependency| other(Remote::of(to)))
            }
        };
        Row { side, ours: matches!(between, Between::Ours(_)), pace, figures: named(figures) }
    }
}

fn named(figures: Figures) -> Vec<(&'static str, f64)> {
    vec![
        ("A lost", figures.a_lost),
        ("B of possible", figures.b_of_possible),
        ("at once", figures.b_at_once),
        ("calls/s", figures.calls_once_known),
        ("B back s", figures.b_recovery),
        ("before", figures.lost_before),
    ]
}

/// Those that are run in real time have to be, and the others do not.
fn clocks() {
    for Side(name, pace, between) in &SIDES {
        if let Between::Breaker(breaker) = between {
            assert_eq!(is_deaf_to_virtual_time(breaker), *pace == Pace::Real, "{name}");
        }
    }
}

/// One dependency in trouble costs the other nothing.
pub fn print(real: bool, seeds: Range<u64>) {
    clocks();
    let hang = |lasts| Front { lasts, ..Front::s4(Trouble::Hang, 0) };
    let slow = |lasts| Front { rate: 1_000.0, share: 0.5, lasts, ..Front::s4(Trouble::Slower(25.0), 0) };
    let fronts = if real { vec![hang(30.0), hang(10.0), slow(30.0)] } else { vec![hang(10.0), slow(10.0)] };
    for front in fronts {
        let scenario = format!("{}, for {} s", front.name(), front.lasts);
        let (on_the_wall, others): (Vec<_>, Vec<_>) = SIDES.iter().partition(|side| side.1 == Pace::Real);
        let on_the_wall = if real { &on_the_wall[..] } else { &[] };
        let table = Table::of(scenario, &others, on_the_wall, |side| side.run(front, seeds.clone()));
        table.assert("A lost", Better::Less, 0.001);
    }
}
