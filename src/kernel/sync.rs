//! The only file that knows of loom.

#[cfg(cofferdam_loom)]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize},
};
use std::sync::TryLockError;
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

/// Locks, unless somebody else has it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Whether this is a build for loom.
pub(crate) const IN_A_MODEL: bool = cfg!(cofferdam_loom);

/// The number of this thread: the smallest that no other one has.
#[cfg(not(cofferdam_loom))]
#[inline]
pub(crate) fn thread_number() -> usize {
    match number::OWN.get() {
        0 => number::assign(),
        next => next - 1,
    }
}

#[cfg(not(cofferdam_loom))]
mod number {
    use std::{cell::Cell, collections::BTreeSet};

    use super::{Mutex, lock};

    thread_local! {
        // Without a destructor, so that reading it is one load.
        // The number after this thread's own; zero as long as it has none.
        pub(super) static OWN: Cell<usize> = const { Cell::new(0) };
        static GIVEN_BACK: Cell<Option<GiveBack>> = const { Cell::new(None) };
    }

    /// The numbers of threads that are no more, and the first that nobody ever had.
    static FREE: Mutex<(BTreeSet<usize>, usize)> = Mutex::new((BTreeSet::new(), 0));

    struct GiveBack(usize);

    impl Drop for GiveBack {
        fn drop(&mut self) {
            lock(&FREE).0.insert(self.0);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn assign() -> usize {
        let number = {
            let (free, next) = &mut *lock(&FREE);
            free.pop_first().unwrap_or_else(|| {
                *next += 1;
                *next - 1
            })
        };
        OWN.set(number + 1);
        // A thread on its way out keeps its number: nobody will know when it is gone.
        let _ = GIVEN_BACK.try_with(|given_back| given_back.set(Some(GiveBack(number))));
        number
    }
}

/// The number of this thread: of a model's, as every run of the model must be the same.
#[cfg(cofferdam_loom)]
pub(crate) fn thread_number() -> usize {
    let id = format!("{:?}", loom::thread::current().id());
    id.bytes().filter(u8::is_ascii_digit).fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}
