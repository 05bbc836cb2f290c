use std::{
    fmt::{self, Debug, Write},
    hash::{BuildHasher, Hash, RandomState},
};

/// Finds the key of a request.
///
/// Functions do: see [`Builder::by`](super::Builder::by) and [`Builder::by_text`](super::Builder::by_text).
pub trait KeyOf<Request> {
    /// The key as 64 bits, hashed by that.
    fn hash(&self, request: &Request, hasher: &RandomState) -> u64;

    /// The key for people to read: its beginning, if it is long. It is asked for when the key is new.
    fn label(&self, request: &Request) -> Box<str>;
}

/// Keys that are values: see [`Builder::by`](super::Builder::by).
#[derive(Clone, Copy, Debug)]
pub struct ByValue<F>(pub(super) F);

/// Keys that are text, borrowed from the request: see [`Builder::by_text`](super::Builder::by_text).
#[derive(Clone, Copy, Debug)]
pub struct ByText<F>(pub(super) F);

impl<Request, Q: Hash + Debug, F: Fn(&Request) -> Q> KeyOf<Request> for ByValue<F> {
    #[inline]
    fn hash(&self, request: &Request, hasher: &RandomState) -> u64 {
        hasher.hash_one((self.0)(request))
    }

    fn label(&self, request: &Request) -> Box<str> {
        let mut label = Label(String::new());
        // It fails when it is full, and what is in it by then is the label.
        let _ = write!(label, "{:?}", (self.0)(request));
        label.0.into()
    }
}

impl<Request, F: Fn(&Request) -> &str> KeyOf<Request> for ByText<F> {
    #[inline]
    fn hash(&self, request: &Request, hasher: &RandomState) -> u64 {
        hasher.hash_one((self.0)(request))
    }

    fn label(&self, request: &Request) -> Box<str> {
        let text = (self.0)(request);
        beginning(text, LONGEST).into()
    }
}

/// In bytes.
const LONGEST: usize = 64;

/// As many whole characters as fit into that many bytes.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Text that stops at [`LONGEST`].
struct Label(String);

impl Write for Label {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST - self.0.len();
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(beginning(text, room));
        Err(fmt::Error)
    }
}
