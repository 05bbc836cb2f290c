//! What is between a client and the server when calls are sent again.

use std::{error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use cofferdam::{
    AdaptiveLimit, AdaptiveThrottle, Backoff, BoxError, CircuitBreaker, LoadShed, Outcome, Plain, Reading, Rejected,
    Retry, Timeout, guard,
    retry::{AttemptProtocol, Exhausted, Waits},
};
use tower::{
    Layer, Service, ServiceBuilder, ServiceExt,
    retry::{
        RetryLayer,
        budget::{Budget as _, TpsBudget},
    },
};

use super::{
    Ask, Server,
    stacks::{Client, TurnedAway, client, shedding},
};

/// How long an attempt may take.
const ATTEMPT: Duration = Duration::from_secs(1);

/// How calls are sent again. Nothing is set but the timeout of an attempt, and that there are four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Never.
    Once,
    /// Whenever one fails.
    Always,
    /// By tower's own retry and its budget: 20 %, and ten a second in any case.
    Tower,
    /// By this crate's retry, with the budget that it has by default.
    Budget,
    /// The same in front of a breaker.
    Breaker,
    /// And in front of a limit that finds itself.
    Limit,
    /// Retry, breaker and throttle, in front of a server that sheds.
    Throttle,
    /// Five services in a row, each with a retry and a budget of its own, and with marks on requests and on answers.
    Layers,
    /// The same with marks on requests only, as plain answers have no place for them.
    LayersPlain,
    /// The same without any marks.
    LayersUnmarked,
    /// The same without a budget.
    LayersAlways,
}

impl Way {
    pub fn clients(self, server: &Server, count: usize) -> Vec<Client> {
        if self == Self::Throttle {
            return throttled(server, count);
        }
        (0..count).map(|_| self.client(server.clone())).collect()
    }

    fn client(self, server: Server) -> Client {
        let timed = ServiceBuilder::new()
            .layer(Timeout::builder("server").attempt(ATTEMPT).deadline().build().unwrap())
            .service(server);
        let breaker = CircuitBreaker::builder("server").build().unwrap();
        match self {
            Self::Once => client(timed),
            Self::Always => client(always(timed)),
            Self::Tower => by_tower(timed),
            Self::Budget => client(retried(timed)),
            Self::Breaker => client(retried(guard(breaker).layer(timed))),
            Self::Limit => {
                let limit = AdaptiveLimit::builder("server").deadline().build().unwrap();
                let shed: LoadShed = LoadShed::builder(limit).build().unwrap();
                client(retried(guard((breaker, shed)).layer(timed)))
            }
            Self::Layers => client(marked(marked(marked(marked(marked(timed)))))),
            Self::LayersPlain => client(retried(retried(retried(retried(retried(timed)))))),
            Self::LayersUnmarked => client(unmarked(unmarked(unmarked(unmarked(unmarked(timed)))))),
            Self::LayersAlways => client(always(always(always(always(always(timed)))))),
            Self::Throttle => unreachable!("its clients share a server that sheds"),
        }
    }
}

type Answer = Result<(), BoxError>;

/// Tower's retry and its budget: 20 %, and ten a second in any case.
pub fn by_tower<S>(service: S) -> Client
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone + 'static,
{
    let budget = Arc::new(TpsBudget::new(Duration::from_secs(10), 10, 0.2));
    client(RetryLayer::new(Retries::new(Some(budget))).layer(service))
}

fn retried<S>(service: S) -> impl Service<Ask, Response = (), Error = BoxError> + Clone
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone,
{
    Retry::builder("server").context().build().unwrap().layer(service)
}

fn marked<S>(service: S) -> impl Service<Ask, Response = (), Error = BoxError> + Clone
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone,
{
    Retry::builder("server").context().protocol(Marks).build().unwrap().layer(service)
}

/// Answers with a place for marks, as those over HTTP have.
#[derive(Clone, Copy)]
struct Marks;

/// An answer that nobody should try to mend any more.
#[derive(Debug)]
struct Final;

impl fmt::Display for Final {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed, and was given up")
    }
}

impl Error for Final {}

impl AttemptProtocol<(), BoxError> for Marks {
    fn read(&self, answer: Result<&(), &BoxError>) -> Reading {
        AttemptProtocol::read(&<Plain>::default(), answer)
    }

    fn is_final(&self, answer: Result<&(), &BoxError>) -> bool {
        answer.is_err_and(|error| error.is::<Final>())
    }

    fn mark(&self, answer: &mut Answer, _: Exhausted) {
        if answer.is_err() {
            *answer = Err(Final.into());
        }
    }
}

fn unmarked<S>(service: S) -> impl Service<Ask, Response = (), Error = BoxError> + Clone
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone,
{
    Retry::builder("server").build().unwrap().layer(service)
}

fn always<S>(service: S) -> impl Service<Ask, Response = (), Error = BoxError> + Clone
where
    S: Service<Ask, Response = (), Error = BoxError> + Clone,
{
    RetryLayer::new(Retries::new(None)).layer(service)
}

/// A policy for tower's retry, with the attempts and the waits that ours has by default.
#[derive(Clone)]
struct Retries {
    budget: Option<Arc<TpsBudget>>,
    left: u32,
    waits: Option<Waits>,
}

impl Retries {
    fn new(budget: Option<Arc<TpsBudget>>) -> Self {
        Self { budget, left: 3, waits: None }
    }
}

impl tower::retry::Policy<Ask, (), BoxError> for Retries {
    type Future = Pin<Box<dyn Future<Output = ()>>>;

    fn retry(&mut self, _: &mut Ask, answer: &mut Answer) -> Option<Self::Future> {
        if answer.is_ok() {
            self.budget.iter().for_each(|budget| budget.deposit());
            return None;
        }
        if self.left == 0 || !self.budget.as_ref().is_none_or(|budget| budget.withdraw()) {
            return None;
        }
        self.left -= 1;
        let wait = self.waits.get_or_insert_with(|| Backoff::default().waits()).next()?;
        Some(Box::pin(tokio::time::sleep(wait)))
    }

    fn clone_request(&mut self, ask: &Ask) -> Option<Ask> {
        Some(*ask)
    }
}

/// The server sheds what it cannot do in time; to its clients that is an answer like any other.
fn throttled(server: &Server, count: usize) -> Vec<Client> {
    let server = shedding(server.clone()).map_err(|error| match Rejected::find(error.as_ref()) {
        Some(_) => TurnedAway.into(),
        None => error,
    });
    let timed = Timeout::builder("server").attempt(ATTEMPT).deadline().build().unwrap().layer(server);
    let throttled = |_| {
        let breaker = CircuitBreaker::builder("server").build().unwrap();
        let throttle: AdaptiveThrottle = AdaptiveThrottle::builder("server").build().unwrap();
        // A server that turns calls away is not down: that is the throttle's business, and none of the breaker's.
        let breaker = guard(breaker).classify(|answer| read(answer, Outcome::Ignored));
        let throttle = guard(throttle).classify(|answer| read(answer, Outcome::Overload));
        client(retried(breaker.layer(throttle.layer(timed.clone()))))
    };
    (0..count).map(throttled).collect()
}

fn read(answer: Result<&(), &BoxError>, turned_away: Outcome) -> Outcome {
    match answer {
        Ok(()) => Outcome::Success,
        Err(error) if error.is::<TurnedAway>() => turned_away,
        Err(_) => Outcome::Failure,
    }
}
