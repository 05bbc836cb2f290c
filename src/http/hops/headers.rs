use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Builder, HopLayer, Inbound, Names, Outbound};
use crate::kernel::{
    Context, Criticality, Deadline,
    context::{Carried, LONGEST_TEXT, TimeoutText, Trust, read_millis, read_timeout, write_number},
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
    /// How long they are, a bit for each length.
    lengths: u64,
}

impl Default for ContextHeaders {
    /// Those of the [table](super#on-the-wire).
    fn default() -> Self {
        Names::default().into()
    }
}

impl From<Names> for ContextHeaders {
    fn from(names: Names) -> Self {
        let lengths = names.all().flatten().fold(0, |lengths, name| lengths | length_bit(name));
        Self { names: Arc::new(names), lengths }
    }
}

impl ContextHeaders {
    /// Starts from the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// None: nothing is read and nothing is written, as for a dependency of somebody else, who need not know.
    ///
    /// ```
    /// use cofferdam::ContextHeaders;
    ///
    /// let weather = cofferdam::http::client("weather").headers(ContextHeaders::none()).build()?;
    /// # let _ = weather; Ok::<(), cofferdam::Invalid>(())
    /// ```
    #[must_use]
    pub fn none() -> Self {
        Names {
            criticality: None,
            timeout_ms: None,
            timeout: None,
            head_timeout_ms: None,
            task: None,
            attempt: None,
            previous_attempts: None,
        }
        .into()
    }

    /// The layer of a server: the context of each request is taken out of its headers, as far as it is believed.
    #[must_use]
    pub fn inbound(&self, trust: Trust) -> HopLayer<Inbound> {
        HopLayer::new(Inbound::new(self.clone(), trust))
    }

    /// The layer of a client: the context of each request is written to its headers.
    #[must_use]
    pub fn outbound(&self) -> HopLayer<Outbound> {
        HopLayer::new(Outbound { headers: self.clone() })
    }

    /// Takes the context out of headers, as far as it is believed. If two of them tell a deadline, the earlier holds, and of
    /// two attempts the later.
    ///
    /// They are gone afterwards, whether they could be read or not.
    pub fn take(&self, headers: &mut HeaderMap, trust: &Trust) -> Carried {
        if self.may_be_in(headers) { self.take_said(headers, trust) } else { Carried::default() }
    }

    /// Most requests say nothing. That is seen sooner by a look at all names that they have than by a search for each of ours.
    fn may_be_in(&self, headers: &HeaderMap) -> bool {
        let is_ours =
            |name| self.lengths & length_bit(name) != 0 && self.names.all().any(|ours| ours.as_ref() == Some(name));
        headers.keys_len() > MOST_LOOKED_AT || headers.keys().any(is_ours)
    }

    fn take_said(&self, headers: &mut HeaderMap, trust: &Trust) -> Carried {
        let Names { criticality, timeout_ms, timeout, head_timeout_ms, task, attempt, previous_attempts } =
            &*self.names;
        let mut carried = Carried::default();
        if let Some(class) = take(headers, criticality, |text| trust.criticality(text)) {
            carried.set_criticality(class);
        }
        let in_millis = take(headers, timeout_ms, |text| trust.deadline_in_millis(text));
        let in_units = take(headers, timeout, |text| trust.deadline(text));
        if let Some(deadline) = in_millis.into_iter().chain(in_units).min() {
            carried.set_deadline(deadline);
        }
        if let Some(head) = take(headers, head_timeout_ms, |text| trust.deadline_in_millis(text)) {
            carried.set_deadline(head.to_head());
        }
        if let Some(task) = take(headers, task, |text| trust.task(text)) {
            carried.set_task(task);
        }
        let numbered = take(headers, attempt, |text| trust.attempt(text));
        let counted = take(headers, previous_attempts, |text| trust.attempt_after(text));
        if let Some(attempt) = numbered.max(counted) {
            carried.set_attempt(attempt);
        }
        carried
    }

    /// Writes a context to headers. One that is there already and says less stays as it is.
    pub fn write<C: Context + ?Sized>(&self, context: &C, headers: &mut HeaderMap) {
        let Names { criticality, timeout_ms, timeout, head_timeout_ms, task, attempt, previous_attempts } =
            &*self.names;
        if let Some(name) = criticality {
            // Who says nothing is critical: that need not be said, but it bounds what is.
            let silent = || headers.contains_key(name).then(Criticality::default);
            let most = context.criticality().or_else(silent);
            cap(headers, name, most, Criticality::read, |class| HeaderValue::from_static(class.as_str()));
        }
        let left = Left::of(context);
        if let Some(name) = timeout_ms {
            cap(headers, name, left.to_end(headers, name), read_millis, millis);
        }
        if let Some(name) = timeout {
            let write = |left| value(TimeoutText::new(left).as_str().as_bytes());
            cap(headers, name, left.to_end(headers, name), read_timeout, write);
        }
        if let Some(name) = head_timeout_ms {
            cap(headers, name, left.head, read_millis, millis);
        }
        if let (Some(name), Some(task)) = (task, context.task()) {
            put(headers, name, value(&task.digits()));
        }
        let this = context.attempt();
        if this.is_extra() {
            for (name, count) in [(attempt, this.number()), (previous_attempts, this.previous())] {
                if let Some(name) = name {
                    put(headers, name, number(count.into()));
                }
            }
        }
    }
}

/// How much time is left for an answer.
struct Left {
    whole: Option<Duration>,
    /// Whether somebody has named that.
    named: bool,
    /// For the head, if that is less, or if nobody has: at the other end it would be a deadline that was named, and an answer that
    /// lasts would end by it.
    head: Option<Duration>,
}

impl Left {
    fn of<C: Context + ?Sized>(context: &C) -> Self {
        let Some(deadline) = context.deadline() else { return Self { whole: None, named: true, head: None } };
        let whole = if deadline.is_to_head() { context.whole_deadline() } else { Some(deadline) };
        let named = whole.is_none_or(|whole| !whole.is_assumed());
        let head = Some(deadline).filter(|deadline| deadline.is_to_head() || !named);
        Self { whole: whole.map(Deadline::remaining), named, head: head.map(Deadline::remaining) }
    }

    /// What is told of the whole. One that is named by hand is held to it also where nobody else has named any.
    fn to_end(&self, headers: &HeaderMap, name: &HeaderName) -> Option<Duration> {
        self.whole.filter(|_| self.named || headers.contains_key(name))
    }
}

/// Where there are more names, ours are searched for.
const MOST_LOOKED_AT: usize = 32;

/// The same for all that are longer.
fn length_bit(name: &HeaderName) -> u64 {
    1 << name.as_str().len().min(63)
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

/// Whole milliseconds, rounded down.
fn millis(left: Duration) -> HeaderValue {
    number(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
}

/// The text is made here, as `HeaderValue::from` a number allocates twice.
fn number(number: u64) -> HeaderValue {
    let mut text = [0; 20];
    let start = write_number(number, &mut text);
    value(&text[start..])
}

/// What we write are digits and letters.
fn value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).expect("digits and letters are a value")
}
