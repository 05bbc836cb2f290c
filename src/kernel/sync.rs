//! The only file that knows of loom.

#[cfg(cofferdam_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize},
};
pub(crate) use std::sync::{Arc, atomic::Ordering};
#[cfg(not(cofferdam_loom))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize},
};

/// Locks, whatever happened to the thread that held the lock before: what it guards is whole between statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Whether this is a build for loom.
pub(crate) const IN_A_MODEL: bool = cfg!(cofferdam_loom);

/// The number of this thread: threads get theirs in turn.
#[cfg(not(cofferdam_loom))]
#[inline]
pub(crate) fn thread_number() -> usize {
    number::OWN.get().unwrap_or_else(number::assign)
}

#[cfg(not(cofferdam_loom))]
mod number {
    use std::cell::Cell;

    use super::{AtomicUsize, Ordering};

    thread_local! {
        pub(super) static OWN: Cell<Option<usize>> = const { Cell::new(None) };
    }

    #[cold]
    pub(super) fn assign() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        OWN.set(Some(number));
        number
    }
}

/// The number of this thread: of a model's, as every run of the model must be the same.
#[cfg(cofferdam_loom)]
pub(crate) fn thread_number() -> usize {
    let id = format!("{:?}", loom::thread::current().id());
    id.bytes().filter(u8::is_ascii_digit).fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}
