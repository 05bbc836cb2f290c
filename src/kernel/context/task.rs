use std::fmt::{self, Write};

/// The length of a key as text.
const DIGITS: usize = 16;

/// Stands for the task that a request is part of: an order, a page, a user's session.
///
/// One task makes many requests. A service that cannot serve them all had better serve all of one task than some of
/// each, and all services along a call tree had better choose the same tasks. So they need one order of tasks, and each
/// works it out for itself from the key.
///
/// The key of a text is the same in every process, on every machine and in every version of this crate: 64-bit FNV-1a
/// over its bytes, followed by the mixing step of SplitMix64. A key written as text is sixteen lower-case hexadecimal
/// digits, and a text of that form is taken for the key that it is: so a service may pass on the key in place of the
/// text that it was made from.
///
/// A key is no secret, and no protection: whoever may choose the text may choose one that is served first. Where callers
/// are not trusted, make the key at the edge, out of what they cannot choose.
///
/// ```
/// use cofferdam::TaskKey;
///
/// let key = TaskKey::of("order 4711");
/// assert_eq!(key.to_string(), "a20e9326f12bda8d");
/// assert_eq!(TaskKey::of(&key.to_string()), key);
///
/// // In this hour one task goes before another, in the next hour perhaps not.
/// let other = TaskKey::of("order 4712");
/// let _goes_first = key.order(493_000) < other.order(493_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskKey(u64);

impl TaskKey {
    /// The key of that text, which is the same everywhere and always.
    #[must_use]
    pub fn of(text: &str) -> Self {
        written(text.as_bytes()).unwrap_or_else(|| Self(mixed(hashed(text.as_bytes()))))
    }

    /// A key of its own, for a task that nobody has named.
    #[must_use]
    pub fn random() -> Self {
        Self(fastrand::u64(..))
    }

    /// The key with these bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The key as text: sixteen lower-case hexadecimal digits.
    pub(crate) fn digits(self) -> [u8; DIGITS] {
        let mut rest = self.0;
        let mut digits = [0; DIGITS];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[(rest % 16) as usize];
            rest /= 16;
        }
        digits
    }

    /// Where the task stands among all others during that epoch: the lower goes first, the higher is shed first.
    ///
    /// Places are spread evenly over all numbers, and no two keys share one. Another epoch is another order, so that
    /// nobody is always the victim. An epoch is whatever services agree on, such as the hours since 1970.
    #[must_use]
    pub const fn order(self, epoch: u64) -> u64 {
        mixed(self.0 ^ mixed(epoch))
    }
}

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskKey({self})")
    }
}

/// Sixteen lower-case hexadecimal digits, which [`TaskKey::of`] reads again.
impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().into_iter().try_for_each(|digit| f.write_char(digit.into()))
    }
}

/// The key that is written there, if it is one.
fn written(text: &[u8]) -> Option<TaskKey> {
    if text.len() != DIGITS {
        return None;
    }
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    text.iter().try_fold(0, |bits, byte| Some(bits << 4 | u64::from(digit(byte)?))).map(TaskKey)
}

/// FNV-1a: short, and the same in every language that somebody may want to make keys in.
fn hashed(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// One step of SplitMix64. It is reversible, so nothing that differs becomes the same, and each bit depends on all.
const fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
