//! Events as lines of a log.
#![cfg(feature = "tracing")]
#![allow(missing_docs)]

use std::{
    fmt::{Debug, Write},
    future::ready,
    sync::{Arc, Mutex},
};

use cofferdam::{Bulkhead, CircuitBreaker, Tracing, guard, observe};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Keeps what it is told under one name, a line each.
struct Log {
    name: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "cofferdam" && *metadata.level() <= Level::TRACE
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        if line.0.contains(self.name) {
            self.lines.lock().unwrap().push(line.0);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn what_happens_is_written_with_its_fields() {
    let name = "tracing-story";
    let lines = Arc::new(Mutex::new(Vec::new()));
    let _log = tracing::subscriber::set_default(Log { name, lines: lines.clone() });
    let _observing = observe(Tracing);

    let breaker = CircuitBreaker::builder(name).build().unwrap();
    let slots = Bulkhead::builder(name).limit(1).build().unwrap();
    let guard = guard((breaker.clone(), slots.clone()));
    guard.call(&(), || ready(Ok::<_, ()>(()))).await.unwrap();
    breaker.force_open();
    guard.call(&(), || ready(Ok::<_, ()>(()))).await.unwrap_err();
    breaker.reset();
    slots.resize(2).unwrap();

    let lines = lines.lock().unwrap();
    let expected = [
        "TRACE message=a call has ended by=\"tracing-story\" outcome=Success latency=",
        "WARN message=calls are rejected by=\"tracing-story\" from=\"closed\" to=\"forced-open\"",
        "DEBUG message=a call was rejected by=\"tracing-story\" why=\"the circuit is open\" retry_after=None",
        "INFO message=the state has changed by=\"tracing-story\" from=\"forced-open\" to=\"closed\"",
        "INFO message=the limit has changed by=\"tracing-story\" from=1 to=2",
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line} is not {expected}");
    }
}
