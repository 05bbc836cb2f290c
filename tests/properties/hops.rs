//! Any chain of services, with any headers, any trust and any wish of theirs: nobody is ever worth more further down.
#![cfg(all(feature = "http", feature = "test-util"))]

use std::{convert::Infallible, future::ready, time::Duration};

use cofferdam::{
    Context, ContextHeaders, Criticality, Deadline, TaskKey,
    context::{Carried, Trust},
};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::{collection::vec, option, prelude::*, sample::select};
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::settled;

const CLASS: &str = "x-request-criticality";
const MILLIS: &str = "x-request-timeout-ms";
const UNITS: &str = "x-request-timeout";
const TASK: &str = "x-request-task";

/// Time is told in one way or the other, or in both.
fn headers(way: u8) -> ContextHeaders {
    let builder = ContextHeaders::builder();
    match way % 3 {
        0 => builder,
        1 => builder.timeout_ms(None).timeout(UNITS),
        _ => builder.timeout(UNITS),
    }
    .build()
    .unwrap()
}

/// What somebody may put into one of the headers, or nearly.
fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        2 => select(Criticality::ALL.map(|class| class.as_str().into()).to_vec()),
        3 => "[0-9]{1,6}".prop_map(Vec::from),
        3 => "[0-9]{1,9}[HMSmun]".prop_map(Vec::from),
        1 => "[0-9a-f]{16}".prop_map(Vec::from),
        1 => "[ -~]{0,20}".prop_map(Vec::from),
        1 => vec(128..=255_u8, 0..300),
    ]
}

/// Headers of those names, some of them more than once.
fn extra() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    vec((select([CLASS, MILLIS, UNITS, TASK].to_vec()), text()), 0..5)
}

fn write(extra: &[(&'static str, Vec<u8>)], headers: &mut HeaderMap) {
    for (name, text) in extra {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(text).unwrap());
    }
}

/// What a service does between a request that comes and one that it sends.
#[derive(Clone, Debug)]
struct Handler {
    longest: Duration,
    default: bool,
    highest: Criticality,
    tasks: bool,
    works: Duration,
    /// What it would like the outgoing request to be worth, and whether it says so before or after the rest.
    wishes: (Option<Criticality>, Option<Duration>, Option<u64>),
    first: bool,
    /// Headers that it writes by hand.
    extra: Vec<(&'static str, Vec<u8>)>,
    /// Whether it sends on the request that came.
    forwards: bool,
    way: u8,
}

fn handler() -> impl Strategy<Value = Handler> {
    let class = || select(Criticality::ALL.to_vec());
    let millis = |most: u64| (0..most).prop_map(Duration::from_millis);
    let trust = (millis(10_000), any::<bool>(), class(), any::<bool>());
    let wishes = (option::of(class()), option::of(millis(20_000)), option::of(any::<u64>()));
    (trust, millis(3000), wishes, any::<bool>(), extra(), any::<bool>(), any::<u8>()).prop_map(
        |((longest, default, highest, tasks), works, wishes, first, extra, forwards, way)| Handler {
            longest: longest + Duration::from_millis(1),
            default,
            highest,
            tasks,
            works,
            wishes,
            first,
            extra,
            forwards,
            way,
        },
    )
}

impl Handler {
    fn trust(&self) -> Trust {
        let builder = Trust::builder().longest_deadline(self.longest).highest_criticality(self.highest);
        let default = self.default.then_some(self.longest);
        builder.tasks(self.tasks).default_deadline(default).build().unwrap()
    }

    fn wish(&self, outgoing: &mut Request<()>) {
        let (class, time, task) = self.wishes;
        if let Some(class) = class {
            outgoing.set_criticality(class);
        }
        if let Some(time) = time {
            outgoing.set_deadline(Deadline::after(time));
        }
        if let Some(task) = task {
            outgoing.set_task(TaskKey::from_bits(task));
        }
    }

    /// What it sends on behalf of what came.
    fn outgoing(&self, incoming: Request<()>) -> Request<()> {
        if self.forwards {
            return incoming;
        }
        let mut outgoing = Request::new(());
        write(&self.extra, outgoing.headers_mut());
        if self.first {
            self.wish(&mut outgoing);
        }
        outgoing.on_behalf_of(&incoming);
        if !self.first {
            self.wish(&mut outgoing);
        }
        outgoing
    }
}

/// The request as the service behind that layer sees it.
fn through<D>(layer: &cofferdam::hops::HopLayer<D>, request: Request<()>) -> Request<()>
where
    D: cofferdam::hops::Direction + Clone,
{
    let echo = service_fn(|request: Request<()>| ready(Ok::<_, Infallible>(request)));
    settled(layer.layer(echo).oneshot(request)).unwrap()
}

/// Holds one service of the chain to what it was asked, and passes on what it asks of the next.
async fn hop(handler: &Handler, sent: Request<()>, way: u8) -> Result<(Request<()>, Carried), TestCaseError> {
    let incoming = through(&headers(way).inbound(handler.trust()), sent);
    let caller = Carried::of(&incoming);
    prop_assert!(caller.criticality().unwrap_or_default() <= handler.highest);
    prop_assert!(caller.deadline().is_none_or(|deadline| deadline.remaining() <= handler.longest));
    prop_assert!(!handler.default || caller.deadline().is_some());

    advance(handler.works).await;
    let outgoing = handler.outgoing(incoming);
    Ok((through(&headers(handler.way).outbound(), outgoing), caller))
}

/// What the wire says, to somebody who believes all of it.
fn told(sent: &Request<()>, way: u8) -> Carried {
    const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let builder = Trust::builder().longest_deadline(LONGEST).highest_criticality(Criticality::CriticalPlus);
    headers(way).take(&mut sent.headers().clone(), &builder.longest_task(4096).build().unwrap())
}

async fn chain(first: Vec<(&'static str, Vec<u8>)>, way: u8, handlers: Vec<Handler>) -> Result<(), TestCaseError> {
    let mut sent = Request::new(());
    write(&first, sent.headers_mut());
    let mut way = way;
    // Nothing was said by anybody yet.
    let mut before = Carried::default();
    before.set_criticality(Criticality::CriticalPlus);
    for handler in &handlers {
        // As over a wire: nothing but headers.
        let mut arriving = Request::new(());
        *arriving.headers_mut() = sent.headers().clone();
        let caller;
        (sent, caller) = hop(handler, arriving, way).await?;
        way = handler.way;

        let told = told(&sent, way);
        // A class that is not said is the default one
        let (class, callers) = (told.criticality().unwrap_or_default(), caller.criticality().unwrap_or_default());
        prop_assert!(class <= callers && callers <= before.criticality().unwrap_or_default());
        // Time only ever gets less, by a millisecond if it is told in those
        if let Some(deadline) = caller.deadline() {
            let left = told.deadline().map(Deadline::remaining);
            prop_assert!(left.is_some_and(|left| left <= deadline.remaining()), "{:?} {:?}", told, caller);
            prop_assert!(before.deadline().is_none_or(|before| deadline <= before));
        }
        // A task is the same or dropped, but never another
        if let Some(task) = caller.task() {
            prop_assert_eq!(told.task(), Some(task));
        }
        before = told;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2048, ..ProptestConfig::default() })]

    /// However many services there are in a row, and whatever they believe and wish.
    #[test]
    fn nothing_is_worth_more_further_down(first in extra(), way: u8, handlers in vec(handler(), 1..7)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(chain(first, way, handlers))?;
    }

    /// Time that is written and read again is no more, and less by less than a unit.
    #[test]
    fn time_on_the_wire_is_rounded_down_by_less_than_a_unit(nanos in prop_oneof![any::<u64>(), 0..10_u64.pow(12)], way: u8) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _paused = runtime.enter();
        // A deadline is never further away than that, which its clock has room for.
        let duration = Duration::from_nanos(nanos / 2);
        let mut carried = Carried::default();
        carried.set_deadline(Deadline::after(duration));
        let mut request = Request::new(());
        headers(way).write(&carried, request.headers_mut());

        // The unit is in the header's name, or the last letter of its text.
        let unit = match request.headers().get(UNITS).map(|value| value.as_bytes().last()) {
            None => Duration::from_millis(1),
            Some(Some(b'n')) => Duration::from_nanos(1),
            Some(Some(b'u')) => Duration::from_micros(1),
            Some(Some(b'm')) => Duration::from_millis(1),
            Some(Some(b'S')) => Duration::from_secs(1),
            Some(Some(b'M')) => Duration::from_secs(60),
            Some(_) => Duration::from_secs(3600),
        };
        // Told in both ways, the earlier holds.
        let unit = if way % 3 == 2 { unit.max(Duration::from_millis(1)) } else { unit };
        let read = told(&request, way).deadline().expect("it was written by ourselves").remaining();
        const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
        prop_assert!(read <= duration && read + unit > duration.min(LONGEST), "{:?} {:?}", duration, read);
    }
}
