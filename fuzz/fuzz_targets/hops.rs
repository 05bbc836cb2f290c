//! Any headers, any trust and any wish of a service in between: no panic, nothing beyond what is believed, and what is sent on
//! is no more than what came.
#![no_main]

use std::{
    convert::Infallible,
    future::ready,
    pin::pin,
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use cofferdam::{
    Context, ContextHeaders, Criticality, Deadline, Instant, TaskKey,
    context::{Carried, Trust},
    hops::{Direction, HopLayer},
};
use http::{HeaderName, HeaderValue, Request};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use tower::{Layer, ServiceExt, service_fn};

/// Some headers, by the number of their name.
type Texts<'a> = Vec<(u8, &'a [u8])>;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    longest: u64,
    default: Option<u64>,
    highest: u8,
    tasks: bool,
    longest_task: u16,
    grpc: [bool; 2],
    said: Texts<'a>,
    by_hand: Texts<'a>,
    wishes: (Option<u8>, Option<u64>, Option<u64>),
    /// A name of the user's.
    name: &'a str,
}

const NAMES: [&str; 7] = [
    "x-request-criticality",
    "x-request-timeout-ms",
    "grpc-timeout",
    "x-request-task",
    "x-request-attempt",
    "grpc-previous-rpc-attempts",
    "x-request-head-timeout-ms",
];

fn class(number: u8) -> Criticality {
    Criticality::ALL[usize::from(number % 4)]
}

fn headers(grpc: bool) -> ContextHeaders {
    if grpc { ContextHeaders::grpc() } else { ContextHeaders::default() }
}

fn write(texts: &Texts<'_>, request: &mut Request<()>) {
    for (number, text) in texts {
        if let Ok(value) = HeaderValue::from_bytes(text) {
            request.headers_mut().append(HeaderName::from_static(NAMES[usize::from(*number) % NAMES.len()]), value);
        }
    }
}

fn through<D: Direction + Clone>(layer: &HopLayer<D>, request: Request<()>) -> Request<()> {
    let service = layer.layer(service_fn(|request: Request<()>| ready(Ok::<_, Infallible>(request))));
    let answer = pin!(service.oneshot(request)).poll(&mut TaskContext::from_waker(Waker::noop()));
    let Poll::Ready(Ok(request)) = answer else { panic!("an answer that is ready at once") };
    request
}

fuzz_target!(|input: Input<'_>| {
    let builder = Trust::builder()
        .longest_deadline(Duration::from_nanos(input.longest))
        .default_deadline(input.default.map(Duration::from_nanos))
        .highest_criticality(class(input.highest))
        .longest_task(usize::from(input.longest_task));
    let trust = builder.tasks(input.tasks).build();
    // What cannot be is refused with a field's name. Then the defaults hold.
    let (trust, longest, highest) = match trust {
        Ok(trust) => (trust, Duration::from_nanos(input.longest), class(input.highest)),
        Err(invalid) => {
            assert!(!invalid.field().is_empty() && !invalid.allowed().is_empty());
            (Trust::default(), Duration::from_secs(3600), Criticality::Critical)
        }
    };

    // What comes in is within bounds, and not in the headers any more.
    let [comes, goes] = input.grpc.map(headers);
    let mut request = Request::new(());
    write(&input.said, &mut request);
    let incoming = through(&comes.inbound(trust), request);
    let caller = Carried::of(&incoming);
    assert!(caller.deadline().is_none_or(|deadline| deadline <= Deadline::after(longest)));
    assert!(caller.criticality().unwrap_or_default() <= highest.max(Criticality::default()));
    assert!(caller.criticality().is_none_or(|class| class <= highest));
    assert!(incoming.attempt().number() <= 16);
    let others = if input.grpc[0] { [NAMES[1], NAMES[4]] } else { [NAMES[2], NAMES[5]] };
    assert!(incoming.headers().keys().all(|name| others.contains(&name.as_str())));

    // What goes out is no more, whatever a service wants and writes.
    let mut outgoing = Request::new(());
    write(&input.by_hand, &mut outgoing);
    outgoing.on_behalf_of(&incoming);
    let (wished, time, task) = input.wishes;
    if let Some(number) = wished {
        outgoing.set_criticality(class(number));
    }
    if let Some(nanos) = time {
        outgoing.set_deadline(Deadline::after(Duration::from_nanos(nanos)));
    }
    if let Some(bits) = task {
        outgoing.set_task(TaskKey::from_bits(bits));
    }
    let before = Instant::now();
    let mut sent = through(&goes.outbound(), outgoing);
    let open = Trust::builder()
        .longest_deadline(Duration::from_secs(100 * 365 * 24 * 60 * 60))
        .highest_criticality(Criticality::CriticalPlus)
        .longest_task(4096)
        .build()
        .unwrap();
    let told = goes.take(sent.headers_mut(), &open);
    assert!(told.criticality().unwrap_or_default() <= caller.criticality().unwrap_or_default());
    if let Some(deadline) = caller.deadline() {
        // What was told moves by the time that lies between writing and reading, as between machines.
        let read = told.deadline().expect("time that is bounded is told").moment();
        assert!(read <= deadline.moment().max(before).after(Instant::now().since(before)));
    }
    if let (Some(whole), Some(told)) = (caller.whole_deadline(), told.whole_deadline()) {
        assert!(told.moment() <= whole.moment().max(before).after(Instant::now().since(before)));
    }
    if let Some(task) = caller.task() {
        assert_eq!(told.task(), Some(task));
    }

    // A name of the user's is a header's, or is refused.
    match ContextHeaders::builder().task(input.name).build() {
        Ok(headers) => _ = headers.take(sent.headers_mut(), &open),
        // Of two of one name, the later setting is refused.
        Err(invalid) => assert!(["task", "attempt"].contains(&invalid.field())),
    }
});
