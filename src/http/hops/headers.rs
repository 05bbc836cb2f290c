use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{HopLayer, Inbound, Outbound};
use crate::kernel::{
    Context, Criticality, Deadline, Invalid,
    context::{Carried, LONGEST_TEXT, TimeoutText, Trust, read_millis, read_timeout},
};

/// The names of the headers that a request's context travels in, and how it is read from them and written to them.
///
/// [`inbound`](Self::inbound) and [`outbound`](Self::outbound) make layers of it. Where there is no service to put a layer
/// around, [`take`](Self::take) and [`write`](Self::write) do the same with any headers. What the texts look like, and what
/// happens to bad ones: see the [module](super).
///
/// ```
/// use std::time::Duration;
/// use cofferdam::{Context, ContextHeaders, Criticality, Deadline, context::{Carried, Trust}};
/// use http::HeaderMap;
///
/// // As Envoy tells its upstreams.
/// let headers = ContextHeaders::builder().timeout_ms("x-envoy-expected-rq-timeout-ms").build()?;
///
/// let mut told = Carried::default();
/// told.set_criticality(Criticality::Sheddable);
/// told.set_deadline(Deadline::after(Duration::from_millis(250)));
///
/// let mut map = HeaderMap::new();
/// headers.write(&told, &mut map);
/// assert_eq!(map["x-request-criticality"], "SHEDDABLE");
///
/// let read = headers.take(&mut map, &Trust::default());
/// assert_eq!(read.criticality(), Some(Criticality::Sheddable));
/// assert!(read.deadline().unwrap().remaining() <= Duration::from_millis(250));
/// assert!(map.is_empty());
/// # Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextHeaders {
    names: Arc<Names>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) criticality: Option<HeaderName>,
    pub(crate) timeout_ms: Option<HeaderName>,
    pub(crate) timeout: Option<HeaderName>,
    pub(crate) task: Option<HeaderName>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            criticality: Some(HeaderName::from_static("x-request-criticality")),
            timeout_ms: Some(HeaderName::from_static("x-request-timeout-ms")),
            timeout: None,
            task: Some(HeaderName::from_static("x-request-task")),
        }
    }
}

impl Default for ContextHeaders {
    /// Those of the [table](super#on-the-wire).
    fn default() -> Self {
        Names::default().into()
    }
}

impl From<Names> for ContextHeaders {
    fn from(names: Names) -> Self {
        Self { names: Arc::new(names) }
    }
}

impl ContextHeaders {
    /// Starts from the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The layer of a server: the context of each request is taken out of its headers, as far as it is believed.
    #[must_use]
    pub fn inbound(&self, trust: Trust) -> HopLayer<Inbound> {
        HopLayer::new(Inbound { headers: self.clone(), trust })
    }

    /// The layer of a client: the context of each request is written to its headers.
    #[must_use]
    pub fn outbound(&self) -> HopLayer<Outbound> {
        HopLayer::new(Outbound { headers: self.clone() })
    }

    /// Takes the context out of headers, as far as it is believed. If two of them tell a deadline, the earlier holds.
    ///
    /// They are gone afterwards, whether they could be read or not.
    pub fn take(&self, headers: &mut HeaderMap, trust: &Trust) -> Carried {
        let Names { criticality, timeout_ms, timeout, task } = &*self.names;
        let mut carried = Carried::default();
        if let Some(class) = take(headers, criticality, |text| trust.criticality(text)) {
            carried.set_criticality(class);
        }
        let in_millis = take(headers, timeout_ms, |text| trust.deadline_in_millis(text));
        let in_units = take(headers, timeout, |text| trust.deadline(text));
        if let Some(deadline) = in_millis.into_iter().chain(in_units).min() {
            carried.set_deadline(deadline);
        }
        if let Some(task) = take(headers, task, |text| trust.task(text)) {
            carried.set_task(task);
        }
        carried
    }

    /// Writes a context to headers. One that is there already and says less stays as it is.
    pub fn write<C: Context + ?Sized>(&self, context: &C, headers: &mut HeaderMap) {
        let Names { criticality, timeout_ms, timeout, task } = &*self.names;
        if let Some(name) = criticality {
            // Who says nothing is critical: that need not be said, but it bounds what is.
            let silent = || headers.contains_key(name).then(Criticality::default);
            let most = context.criticality().or_else(silent);
            cap(headers, name, most, Criticality::read, |class| HeaderValue::from_static(class.as_str()));
        }
        let left = if timeout_ms.is_some() || timeout.is_some() { context.deadline() } else { None };
        let left = left.map(Deadline::remaining);
        if let Some(name) = timeout_ms {
            // The longest there is has fifteen digits.
            cap(headers, name, left, read_millis, |left| HeaderValue::from(left.as_millis() as u64));
        }
        if let Some(name) = timeout {
            cap(headers, name, left, read_timeout, |left| value(TimeoutText::new(left).as_str().as_bytes()));
        }
        if let (Some(name), Some(task)) = (task, context.task()) {
            put(headers, name, value(&task.digits()));
        }
    }
}

/// The one text under that name, unless it is longer than anything that is read.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() || value.len() > LONGEST_TEXT {
        return None;
    }
    std::str::from_utf8(value).ok()
}

/// Reads what is under that name, and removes it.
fn take<T>(headers: &mut HeaderMap, name: &Option<HeaderName>, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let name = name.as_ref().filter(|name| headers.contains_key(*name))?;
    let value = text(headers, name).and_then(read);
    headers.remove(name);
    value
}

/// Sees to it that what is under that name is `most`, or less if it says so by itself.
fn cap<T: PartialOrd>(
    headers: &mut HeaderMap,
    name: &HeaderName,
    most: Option<T>,
    read: impl Fn(&str) -> Option<T>,
    write: impl Fn(T) -> HeaderValue,
) {
    match (text(headers, name).and_then(read), most) {
        (Some(own), Some(most)) if own <= most => {}
        (Some(_), None) => {}
        (_, Some(most)) => put(headers, name, write(most)),
        // There may be something that cannot be read, and so might be more.
        (None, None) => drop(headers.remove(name)),
    }
}

/// Leaves this under that name, and nothing else.
fn put(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    // A map has room for 32768 headers. Then nothing is said, rather than what was there.
    if headers.try_insert(name, value).is_err() {
        headers.remove(name);
    }
}

/// What we write are digits and letters.
fn value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).expect("digits and letters are a value")
}

/// Builds [`ContextHeaders`].
///
/// | setting | default |
/// |---|---|
/// | [`criticality`](Self::criticality) | `x-request-criticality` |
/// | [`timeout_ms`](Self::timeout_ms) | `x-request-timeout-ms` |
/// | [`timeout`](Self::timeout) | none |
/// | [`task`](Self::task) | `x-request-task` |
///
/// Each is the name of a header, of which case does not matter, or `None`: then it is neither read nor written. No two may
/// be the same, and none may be one that HTTP itself needs, such as `content-length`.
///
/// ```
/// use cofferdam::ContextHeaders;
///
/// let headers = ContextHeaders::builder().criticality("X-Priority-Class").task(None).build()?;
///
/// let invalid = ContextHeaders::builder().task("x request").build().unwrap_err();
/// assert_eq!(invalid.field(), "task");
/// # let _ = headers; Ok::<(), cofferdam::Invalid>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    criticality: Option<String>,
    timeout_ms: Option<String>,
    timeout: Option<String>,
    task: Option<String>,
}

/// What messages are delimited, routed and allowed by. They would be taken out of requests.
const NEEDED: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

impl Builder {
    fn new() -> Self {
        let Names { criticality, timeout_ms, timeout, task } = Names::default();
        let text = |name: Option<HeaderName>| name.map(|name| name.as_str().to_owned());
        Self { criticality: text(criticality), timeout_ms: text(timeout_ms), timeout: text(timeout), task: text(task) }
    }

    /// The header that says how much the request matters.
    ///
    /// Default: `x-request-criticality`.
    pub fn criticality<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.criticality = name.into().map(str::to_owned);
        self
    }

    /// The header that says how much time is left for it, in milliseconds.
    ///
    /// Default: `x-request-timeout-ms`.
    pub fn timeout_ms<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.timeout_ms = name.into().map(str::to_owned);
        self
    }

    /// The header that says how much time is left for it, as digits and a unit: see [`TimeoutText`].
    ///
    /// Default: none, and over gRPC `grpc-timeout`.
    pub fn timeout<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.timeout = name.into().map(str::to_owned);
        self
    }

    /// The header that names the task that the request is part of, or is its key.
    ///
    /// Default: `x-request-task`.
    pub fn task<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.task = name.into().map(str::to_owned);
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// [`Invalid`] names the setting, its value and what it may be.
    pub fn build(self) -> Result<ContextHeaders, Invalid> {
        let names = Names {
            criticality: name("criticality", self.criticality)?,
            timeout_ms: name("timeout_ms", self.timeout_ms)?,
            timeout: name("timeout", self.timeout)?,
            task: name("task", self.task)?,
        };
        let Names { criticality, timeout_ms, timeout, task } = &names;
        let all = [("criticality", criticality), ("timeout_ms", timeout_ms), ("timeout", timeout), ("task", task)];
        for (index, (field, name)) in all.into_iter().enumerate() {
            if let Some(name) = name
                && all[..index].iter().any(|(_, other)| other.as_ref() == Some(name))
            {
                return Err(Invalid::new(field, name, "the name of no other of these headers"));
            }
        }
        Ok(names.into())
    }
}

/// Checks one name by itself.
fn name(field: &'static str, text: Option<String>) -> Result<Option<HeaderName>, Invalid> {
    let Some(text) = text else { return Ok(None) };
    let name = HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Invalid::new(field, format_args!("{text:?}"), "the name of a header"))?;
    if NEEDED.contains(&name.as_str()) {
        return Err(Invalid::new(field, name, "a header that HTTP itself does not need"));
    }
    Ok(Some(name))
}
