//! Requests that come at random and do not wait for each other.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use cofferdam::{Criticality, Instant};
use http::Request;
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{CAPACITY, dice::Dice};

/// How long somebody waits for an answer.
const PATIENCE: Duration = Duration::from_millis(400);

/// When the overload begins and ends, and when all ends.
pub(crate) struct Phases {
    pub(crate) overload: Duration,
    pub(crate) calm: Duration,
    pub(crate) end: Duration,
}

/// A request: when it came, how much it mattered, and whether it was answered well and in time.
pub(crate) struct Sent {
    pub(crate) at: Duration,
    pub(crate) class: usize,
    pub(crate) good: bool,
}

pub(crate) struct Log(pub(crate) Vec<Sent>);

impl Log {
    /// Good answers a second to what came during the overload, its first second apart.
    pub(crate) fn goodput(&self, phases: &Phases) -> f64 {
        let (from, to) = (phases.overload + Duration::from_secs(1), phases.calm);
        let good = self.0.iter().filter(|sent| sent.good && sent.at >= from && sent.at < to).count();
        good as f64 / (to - from).as_secs_f64()
    }

    /// The share of them that were answered, of a class or of all.
    pub(crate) fn success(&self, class: Option<usize>, phases: &Phases) -> f64 {
        let from = phases.overload + Duration::from_secs(1);
        let within = |sent: &&Sent| sent.at >= from && sent.at < phases.calm;
        let of_class = |sent: &&Sent| class.is_none_or(|class| sent.class == class);
        let (good, all) = self
            .0
            .iter()
            .filter(within)
            .filter(of_class)
            .fold((0_u32, 0_u32), |(good, all), sent| (good + u32::from(sent.good), all + 1));
        f64::from(good) / f64::from(all.max(1))
    }
}

/// How long a request takes: around 80 ms, now and then three times that.
fn millis(dice: &mut Dice) -> u32 {
    let normal: f64 = (0..12).map(|_| dice.roll()).sum::<f64>() - 6.0;
    (80.0 * (0.5 * normal - 0.125).exp()).round() as u32
}

pub(crate) async fn run(server: SocketAddr, phases: &Phases) -> Log {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut dice = Dice::new();
    let (start, mut due, mut sent) = (Instant::now(), Duration::ZERO, JoinSet::new());
    while due < phases.end {
        let overloaded = due >= phases.overload && due < phases.calm;
        let rate = CAPACITY * if overloaded { 2.25 } else { 0.75 };
        due += dice.wait(rate);
        let (class, criticality) = match dice.roll() {
            chance if chance < 0.2 => (0, Criticality::Critical),
            chance if chance < 0.5 => (1, Criticality::SheddablePlus),
            _ => (2, Criticality::Sheddable),
        };
        let request = Request::get(format!("http://{server}/{}", millis(&mut dice)))
            .header("x-request-criticality", criticality.as_str())
            .header("x-request-timeout-ms", PATIENCE.as_millis().to_string())
            .body(Empty::new())
            .expect("the request is valid");
        sleep(due.saturating_sub(Instant::now().since(start))).await;
        sent.spawn(ask(client.clone(), request, due, class));
    }
    Log(sent.join_all().await)
}

async fn ask(
    client: Client<HttpConnector, Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
    at: Duration,
    class: usize,
) -> Sent {
    let answer = timeout(PATIENCE, client.request(request)).await;
    Sent { at, class, good: matches!(answer, Ok(Ok(response)) if response.status().is_success()) }
}
