//! What stands between callers and server.

use std::{fmt, rc::Rc, time::Duration};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, BoxError, Bulkhead, LoadShed, Outcome, Policy, Rejected,
    limit::{Aimd, Algorithm, Gradient, Gradient2, Knee, Plan, Sample, Vegas},
};
use tower::{Service, ServiceBuilder, ServiceExt};

use super::{Ask, Call, Server};

/// Somebody's way to the server.
pub type Client = Rc<dyn Fn(Ask) -> Call>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// Nothing but the patience of the callers.
    Nothing,
    /// Tower's limit of 32, which a sweep found to be the best for S1, and its load shedding.
    TowerLimit,
    /// A bulkhead of 32 with a line.
    Bulkhead,
    /// An adaptive limit that rejects what it does not let in, by each of the algorithms.
    Aimd,
    Vegas,
    Gradient,
    Gradient2,
    Knee,
    /// The adaptive limit and load shedding.
    Shed,
    /// The same at the server, and an adaptive throttle in each client.
    Throttled,
    /// Load shedding in front of a limit that stays what it is: what can be done by one who knows the best.
    Fixed(u32),
}

impl Stack {
    pub const ALL: [Self; 10] = [
        Self::Nothing,
        Self::TowerLimit,
        Self::Bulkhead,
        Self::Aimd,
        Self::Vegas,
        Self::Gradient,
        Self::Gradient2,
        Self::Knee,
        Self::Shed,
        Self::Throttled,
    ];

    pub(super) fn clients(self, server: &Server, count: usize) -> Vec<Client> {
        let server = server.clone();
        let one = match self {
            Self::Nothing => client(server),
            Self::TowerLimit => client(ServiceBuilder::new().load_shed().concurrency_limit(32).service(server)),
            Self::Bulkhead => {
                let wait = Duration::from_millis(50);
                let slots = Bulkhead::builder("server").limit(32).queue(64).max_wait(wait).build().unwrap();
                client(ServiceBuilder::new().layer(slots.layer()).service(server))
            }
            Self::Aimd => limited(Aimd::default(), server),
            Self::Vegas => limited(Vegas::default(), server),
            Self::Gradient => limited(Gradient::default(), server),
            Self::Gradient2 => limited(Gradient2::default(), server),
            Self::Knee => limited(Knee::default(), server),
            Self::Shed => client(shedding(server)),
            Self::Throttled => return throttled(server, count),
            Self::Fixed(limit) => client(shedding_by(Fixed(limit), 1, server)),
        };
        vec![one; count]
    }
}

fn limited(algorithm: impl Algorithm, server: Server) -> Client {
    let limit = AdaptiveLimit::builder("server").algorithm(algorithm).deadline().build().unwrap();
    client(ServiceBuilder::new().layer(limit.layer()).service(server))
}

/// With nothing set.
pub(super) fn shedding(server: Server) -> impl Service<Ask, Response = (), Error = BoxError> + Clone {
    shedding_by(Knee::default(), 2, server)
}

fn shedding_by<A: Algorithm>(
    algorithm: A,
    least: usize,
    server: Server,
) -> impl Service<Ask, Response = (), Error = BoxError> + Clone {
    let limit = AdaptiveLimit::builder("server").algorithm(algorithm).min_limit(least).deadline().build().unwrap();
    let shed: LoadShed<A> = LoadShed::builder(limit).build().unwrap();
    ServiceBuilder::new().layer(shed.layer()).service(server)
}

/// That many, whatever happens.
#[derive(Clone)]
struct Fixed(u32);

impl Algorithm for Fixed {
    fn begin(&mut self, _: u32) -> Plan {
        Plan::limit(self.0)
    }

    fn window(&mut self, _: &Sample) -> Plan {
        Plan::limit(self.0)
    }
}

/// What a client sees of a rejection by the server: an answer like any other.
#[derive(Debug)]
pub(super) struct TurnedAway;

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("turned away")
    }
}

impl std::error::Error for TurnedAway {}

fn throttled(server: Server, count: usize) -> Vec<Client> {
    let server = shedding(server).map_err(|error| match Rejected::find(error.as_ref()) {
        Some(_) => TurnedAway.into(),
        None => error,
    });
    let throttled = |_| {
        let throttle: AdaptiveThrottle = AdaptiveThrottle::builder("client").build().unwrap();
        let layer = throttle.layer().classify(|answer: Result<&(), &BoxError>| match answer {
            Ok(()) => Outcome::Success,
            Err(error) if error.is::<TurnedAway>() => Outcome::Overload,
            Err(_) => Outcome::Failure,
        });
        client(ServiceBuilder::new().layer(layer).service(server.clone()))
    };
    (0..count).map(throttled).collect()
}

pub(super) fn client<S>(service: S) -> Client
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone + 'static,
{
    Rc::new(move |ask| Box::pin(service.clone().oneshot(ask)))
}
