//! S3, S3c, S6 and S6b: calls that are sent again, at a server that stalls, behind a cache that is emptied, and where calls
//! fail.

use std::{ops::Range, rc::Rc};

use seatbelt::breaker::HalfOpenMode;
use tick::Clock;
use tower::{ServiceExt, service_fn};

use crate::{
    clocks::Ticking,
    lab::{
        Client, Pace, Server, Way,
        attempts::{self, Trial},
        retrying::by_tower,
        stampede,
    },
    remote::{Remote, client},
    table::{Better, Row, Table},
    theirs::{self, Window},
};

type Figures = Vec<(&'static str, f64)>;

/// Somebody's way to send calls again.
#[derive(Clone, Copy)]
pub struct Side {
    name: &'static str,
    pace: Pace,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    Ours(Way),
    Lab(Way),
    Other(fn(&Server) -> Client),
    /// By seatbelt, whose clock is one for all clients.
    Seatbelt(fn(&Server, &Clock) -> Client),
}

impl Side {
    const fn new(name: &'static str, how: How) -> Self {
        Self { name, pace: Pace::Virtual, how }
    }

    /// What reads the system's clock is of no use in virtual time.
    const fn real(self) -> Self {
        Self { pace: Pace::Real, ..self }
    }

    fn clients(self, server: &Server, count: usize) -> Vec<Client> {
        match self.how {
            How::Ours(way) | How::Lab(way) => way.clients(server, count),
            How::Other(one) => (0..count).map(|_| one(server)).collect(),
            How::Seatbelt(one) => {
                let clock = Ticking::begin().clock();
                (0..count).map(|_| one(server, &clock)).collect()
            }
        }
    }

    fn run(self, trial: &Trial, seeds: Range<u64>) -> Row {
        let figures = trial.worst_by(self.pace, seeds, |server, count| self.clients(server, count));
        Row { side: self.name, ours: matches!(self.how, How::Ours(_)), pace: self.pace, figures }
    }
}

fn remote(server: &Server) -> Remote<crate::lab::Ask> {
    Remote::of(server.clone())
}

const OURS: [Side; 3] = [
    Side::new("cofferdam Retry, CircuitBreaker, LoadShed", How::Ours(Way::Limit)),
    Side::new("cofferdam Retry, CircuitBreaker", How::Ours(Way::Breaker)),
    Side::new("cofferdam Retry", How::Ours(Way::Budget)),
];

const RETRIES: [Side; 4] = [
    Side::new("tower Retry, TpsBudget", How::Lab(Way::Tower)),
    Side::new("tower-resilience retry", How::Other(|server| theirs::resilience_retry(remote(server), None))),
    Side::new(
        "tower-resilience retry, AIMD budget",
        How::Other(|server| theirs::resilience_retry(remote(server), Some(theirs::aimd()))),
    ),
    Side::new(
        "seatbelt retry",
        How::Seatbelt(|server, clock| {
            client(theirs::seatbelt_retry(theirs::seatbelt_timeout(remote(server), clock), clock))
        }),
    ),
];

const BREAKERS: [Side; 2] = [
    Side::new(
        "seatbelt retry, breaker",
        How::Seatbelt(|server, clock| seatbelt(server, clock, HalfOpenMode::progressive(None))),
    ),
    Side::new(
        "seatbelt retry, breaker, quick half-open",
        How::Seatbelt(|server, clock| seatbelt(server, clock, HalfOpenMode::quick())),
    ),
];

fn seatbelt(server: &Server, clock: &Clock, mode: HalfOpenMode) -> Client {
    client(theirs::seatbelt_retry(theirs::seatbelt_breaker(remote(server), clock, mode), clock))
}

/// Those that read the system's clock.
const REAL: [Side; 6] = [
    Side::new(
        "tower-resilience retry, token bucket",
        How::Other(|server| theirs::resilience_retry(remote(server), Some(theirs::token_bucket()))),
    )
    .real(),
    Side::new(
        "tower-resilience retry, breaker",
        How::Other(|server| theirs::resilience_stack(remote(server), None, Window::Calls)),
    )
    .real(),
    Side::new(
        "tower-resilience retry, token bucket, breaker",
        How::Other(|server| theirs::resilience_stack(remote(server), Some(theirs::token_bucket()), Window::Calls)),
    )
    .real(),
    Side::new(
        "tower-resilience retry, token bucket, breaker over 5 s",
        How::Other(|server| {
            theirs::resilience_stack(remote(server), Some(theirs::token_bucket()), Window::FiveSeconds)
        }),
    )
    .real(),
    Side::new("tower Retry, TpsBudget, recloser", How::Other(|server| by_tower(theirs::recloser(remote(server)))))
        .real(),
    Side::new("tower Retry, TpsBudget, failsafe", How::Other(|server| by_tower(theirs::failsafe(remote(server)))))
        .real(),
];

fn trial(trials: Vec<Trial>, name: &str) -> Trial {
    trials.into_iter().find(|trial| trial.name == name).expect("there is such a trial")
}

/// All sides in one trial; those in real time if that is wanted, and ours once more, as it is compared with them.
fn table(trial: &Trial, sides: &[Side], real: bool, seeds: Range<u64>) -> Table {
    let (mut on_the_wall, others): (Vec<Side>, Vec<Side>) = sides.iter().partition(|side| side.pace == Pace::Real);
    on_the_wall.insert(0, sides[0].real());
    let on_the_wall = if real { &on_the_wall[..] } else { &[] };
    Table::of(trial.name.clone(), &others, on_the_wall, |side| side.run(trial, seeds.clone()))
}

/// The server is back soon, and the database is not drowned; where every call fails, hardly more are sent.
pub fn print(real: bool, seeds: Range<u64>) {
    let all = [&OURS[..], &RETRIES, &BREAKERS, &REAL].concat();
    let stall = table(&trial(attempts::stalls(), "S3"), &all, real, seeds.clone());
    stall.assert("recovery s", Better::Less, 0.0);
    stall.assert("in the stall", Better::Less, 0.0);
    let stampede = table(&trial(stampede::stampedes(), "S3c"), &all, real, seeds.clone());
    stampede.assert("recovery s", Better::Less, 0.0);
    stampede.assert("busiest second / C", Better::Less, 0.0);

    let retries = [&OURS[2..], &RETRIES, &REAL[..1]].concat();
    for share in [10, 50] {
        table(&trial(attempts::chances(), &format!("S6 {share} %, 100 clients")), &retries, real, seeds.clone());
    }
    let failing = table(&trial(attempts::chances(), "S6 100 %, 100 clients"), &retries, real, seeds.clone());
    failing.assert("calls", Better::Less, 0.0);
    // In one run and not in a hurry, as the last one sends hundreds of calls for each.
    let layers = if real { &LAYERS[..] } else { &LAYERS[..LAYERS.len() - 1] };
    table(&trial(attempts::layers(), "S6b 100 %"), layers, false, 0..1).assert("calls", Better::Less, 0.0);
}

/// Five services in a row, each with a retry of its own.
const LAYERS: [Side; 5] = [
    Side::new("cofferdam Retry, marks on requests and answers", How::Ours(Way::Layers)),
    Side::new("cofferdam Retry, marks on requests", How::Ours(Way::LayersPlain)),
    Side::new(
        "tower Retry, TpsBudget",
        How::Other(|server| five(server, |inner| by_tower(service_fn(move |ask| inner(ask))))),
    ),
    Side::new(
        "tower-resilience retry, AIMD budget",
        How::Other(|server| five(server, |inner| theirs::resilience_retry(Remote::new(inner), Some(theirs::aimd())))),
    ),
    Side::new(
        "seatbelt retry",
        How::Seatbelt(|server, clock| five(server, |inner| client(theirs::seatbelt_retry(Remote::new(inner), clock)))),
    ),
];

fn five(server: &Server, around: impl Fn(Client) -> Client) -> Client {
    let server = server.clone();
    let called: Client = Rc::new(move |ask| Box::pin(server.clone().oneshot(ask)));
    (0..5).fold(called, |inner, _| around(inner))
}
