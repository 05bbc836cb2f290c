//! Anything that a dependency may say of when to come back, over HTTP and gRPC: it is read as a reader that was written for
//! this alone reads it, a retry waits for exactly that long or leaves the dependency alone, and what we say ourselves is read
//! as no less than it was.
#![no_main]

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::ready,
    pin::pin,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
    time::{Duration, SystemTime},
};

use cofferdam::{
    Admit, Backoff, Ended, GivenUp, Grpc, Http, Immediate, Instant, Name, Outcome, Policy, Protocol, Rejected, Retry,
    Why, retry::Exhausted,
};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt, service_fn};

const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

#[derive(Arbitrary, Debug)]
enum Text {
    Number(u64),
    /// More digits than a number has room for, between blanks.
    Digits(Vec<u8>, u8),
    /// So many seconds after 1970, or from now, in one of three spellings.
    Date(u64, u8),
    FromNow(i16, u8),
    Bytes(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Input {
    text: Text,
    status: u16,
    grpc_status: u8,
    /// What we say ourselves.
    ours: Duration,
}

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime starts"));
}

/// A moment that a date says exactly: from 1970 to before 2070, as one of the spellings has two digits of the year.
const LATEST: u64 = 99 * 365 * 86_400;

/// That many seconds after 1970, in one of the three spellings of RFC 9110.
fn date(seconds: u64, spelling: u8) -> String {
    const DAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    // Year by year and month by month, as on a calendar.
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut days, mut year, mut month) = (seconds / 86_400, 1970, 0);
    let weekday = DAYS[(days % 7) as usize];
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let length = |month: usize| MONTHS[month].1 + u64::from(month == 1 && leap(year));
    while days >= length(month) {
        days -= length(month);
        month += 1;
    }
    let (day, month, short) = (days + 1, MONTHS[month].0, &weekday[..3]);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match spelling % 3 {
        0 => format!("{short}, {day:02} {month} {year} {clock} GMT"),
        1 => format!("{weekday}, {day:02}-{month}-{:02} {clock} GMT", year % 100),
        _ => format!("{short} {month} {day:>2} {clock} {year}"),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// What is sent, and what it says where a date may stand, and where it may not.
struct Said {
    value: HeaderValue,
    /// The date, if it is one.
    until: Option<u64>,
}

impl Said {
    fn new(text: &Text) -> Option<Self> {
        let (text, until) = match text {
            Text::Number(number) => (number.to_string().into_bytes(), None),
            Text::Digits(digits, blanks) => {
                let mut text: Vec<u8> = digits.iter().map(|digit| b'0' + digit % 10).collect();
                text.splice(..0, vec![b' '; usize::from(blanks % 3)]);
                text.extend(vec![b'\t'; usize::from(blanks / 3 % 3)]);
                (text, None)
            }
            Text::Date(seconds, spelling) => {
                let until = seconds % LATEST;
                (date(until, *spelling).into_bytes(), Some(until))
            }
            Text::FromNow(seconds, spelling) => {
                let until = now().saturating_add_signed((*seconds).into());
                (date(until, *spelling).into_bytes(), Some(until))
            }
            Text::Bytes(bytes) => (bytes.clone(), None),
        };
        Some(Self { value: HeaderValue::from_bytes(&text).ok()?, until })
    }

    /// The digits that it is made of and nothing else, as a number or the largest that there is.
    fn number(text: &str) -> Option<u64> {
        let digits = !text.is_empty() && text.chars().all(|char| matches!(char, '0'..='9'));
        digits.then(|| {
            text.trim_start_matches('0').parse().unwrap_or(if text.contains(|c| c != '0') { u64::MAX } else { 0 })
        })
    }

    /// What it says as a `Retry-After`, and what it may be read as a little later.
    fn check_retry_after(&self, read: Option<Duration>) {
        let text = std::str::from_utf8(self.value.as_bytes()).unwrap_or_default();
        let text = if text.is_ascii() { text.trim() } else { "" };
        match (Self::number(text), self.until) {
            (Some(seconds), _) => assert_eq!(read, Some(Duration::from_secs(seconds)), "{text:?}"),
            (None, Some(until)) => {
                let read = read.unwrap_or_else(|| panic!("{text:?} is a date"));
                let expected = until.saturating_sub(now());
                assert!(read <= Duration::from_secs(expected + 2), "{text:?}: {read:?}");
                assert!(read >= Duration::from_secs(expected.saturating_sub(2)), "{text:?}: {read:?}");
            }
            // Whatever else it is, only what looks like a date is one.
            (None, None) => assert!(read.is_none() || text.contains(':'), "{text:?}: {read:?}"),
        }
    }

    fn pushback(&self) -> Option<Duration> {
        Self::number(std::str::from_utf8(self.value.as_bytes()).ok()?).map(Duration::from_millis)
    }
}

const WAIT: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(30);
/// Timers are as exact as that.
const EXACT: Duration = Duration::from_millis(2);

macro_rules! retry {
    () => {
        Retry::builder("fuzz").attempts(2).backoff(Backoff::constant(WAIT)).longest_retry_after(LONGEST)
    };
}

/// What a retry makes of that answer: how often it was sent, for how long it waited, and why it gave up.
macro_rules! sent {
    ($layer:expr, $head:expr) => {{
        let (head, calls) = ($head, Rc::new(Cell::new(0)));
        let counts = Rc::clone(&calls);
        let service = $layer.layer(service_fn(move |_: Request<()>| {
            counts.set(counts.get() + 1);
            let mut response = Response::new(String::new());
            *response.status_mut() = head.status();
            *response.headers_mut() = head.headers().clone();
            ready(Ok::<_, Infallible>(response))
        }));
        RUNTIME.with_borrow_mut(|runtime| {
            runtime.block_on(async {
                let began = Instant::now();
                let Ok(answer) = service.oneshot(Request::new(())).await;
                let why = answer.extensions().get::<Exhausted>().map(|exhausted| exhausted.why);
                (calls.get(), Instant::now().since(began), why)
            })
        })
    }};
}

/// A second attempt is made after what was asked for, or none if that is too long.
fn check_sent((calls, waited, why): (u32, Duration, Option<GivenUp>), bad: bool, asked: Option<Duration>) {
    let asked = asked.unwrap_or_default();
    if !bad {
        assert_eq!((calls, waited, why), (1, Duration::ZERO, None));
    } else if asked > LONGEST {
        assert_eq!((calls, waited, why), (1, Duration::ZERO, Some(GivenUp::LeftAlone)));
    } else {
        assert_eq!((calls, why), (2, Some(GivenUp::Attempts)));
        assert!((asked + WAIT..=asked + WAIT + EXACT).contains(&waited), "{waited:?} for {asked:?}");
    }
}

/// Rejects everything, for so long.
struct Shut(Duration);

impl Policy for Shut {
    type Kind = Immediate;
    type Token = ();
    fn settle(&self, (): (), _: &Ended) {}
    fn undo(&self, (): (), _: Instant) {}
}

impl<R> Admit<R> for Shut {
    fn admit(&self, _: &R, _: Instant) -> Result<(), Rejected> {
        Err(Rejected::new(Name::new("shut").expect("a name"), Why::Open).with_retry_after(self.0))
    }
}

/// What a client makes of a rejection of ours, of which it sees the head alone.
macro_rules! told {
    ($guard:expr, $protocol:expr) => {{
        let service =
            $guard.layer(service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new())))));
        let answer = pin!(service.oneshot(Request::new(()))).poll(&mut TaskContext::from_waker(Waker::noop()));
        let Poll::Ready(Ok(answer)) = answer else { panic!("it is rejected at once") };
        let mut head = Response::new(String::new());
        *head.status_mut() = answer.status();
        *head.headers_mut() = answer.headers().clone();
        let reading = Protocol::read(&$protocol, Ok::<_, &Infallible>(&head));
        assert!(reading.outcome.is_bad());
        reading.retry_after.expect("it was said")
    }};
}

fuzz_target!(|input: Input| {
    let Some(said) = Said::new(&input.text) else { return };
    let Ok(status) = StatusCode::from_u16(input.status) else { return };

    let mut head = Response::new(String::new());
    *head.status_mut() = status;
    head.headers_mut().insert(RETRY_AFTER, said.value.clone());
    let reading = Protocol::read(&Http::new(), Ok::<_, &Infallible>(&head));
    let bad = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    assert_eq!(reading.outcome.is_bad(), bad);
    if bad {
        said.check_retry_after(reading.retry_after);
    } else {
        assert_eq!(reading.retry_after, None);
    }
    // A date is another duration by the time that the retry reads it.
    if said.until.is_none() {
        check_sent(sent!(retry!().http().repeat(cofferdam::retry::Cloned::default()).build().expect("it is valid"), head), bad, reading.retry_after);
    }

    let mut head = Response::new(String::new());
    head.headers_mut().insert(GRPC_STATUS, HeaderValue::from(u16::from(input.grpc_status)));
    head.headers_mut().insert(PUSHBACK, said.value.clone());
    let reading = Protocol::read(&Grpc::new(), Ok::<_, &Infallible>(&head));
    let bad = !matches!(input.grpc_status, 0 | 1 | 3 | 5 | 6 | 7 | 9..=12 | 16);
    assert_eq!(reading.outcome.is_bad(), bad);
    assert_eq!(reading.retry_after, if bad { said.pushback() } else { None });
    let overload = input.grpc_status == 8 || input.grpc_status == 14 && said.pushback().is_some();
    assert_eq!(reading.outcome == Outcome::Overload, overload, "{}", input.grpc_status);
    // What is no time asks not to be tried again.
    let may = bad && said.pushback().is_some();
    let layer = retry!().grpc().repeat(cofferdam::retry::Cloned::default()).idempotent(|_: &Request<()>| true).build().expect("it is valid");
    check_sent(sent!(layer, head), may, said.pushback());

    // Rounded up, so that nobody comes back too early, and by less than a unit; a rejection holds about 49 days at most.
    let ours = input.ours.min(Duration::from_millis(u64::from(u32::MAX) - 1));
    let read = told!(cofferdam::guard(Shut(input.ours)).http(), Http::new());
    assert!(read >= ours && read - ours < Duration::from_secs(1), "{read:?} for {ours:?}");
    let read = told!(cofferdam::guard(Shut(input.ours)).grpc(), Grpc::new());
    assert!(read >= ours && read - ours < Duration::from_millis(1), "{read:?} for {ours:?}");
});
