use std::task::Waker;

/// How many are called at a time before they are woken.
const AT_A_TIME: usize = 16;

/// Those who were called.
#[derive(Default)]
pub(super) struct Wakers {
    called: [Option<Waker>; AT_A_TIME],
    count: usize,
}

impl Wakers {
    pub(super) fn is_full(&self) -> bool {
        self.count == AT_A_TIME
    }

    pub(super) fn push(&mut self, waker: Option<Waker>) {
        self.called[self.count] = waker;
        self.count += 1;
    }

    pub(super) fn wake(&mut self) {
        for waker in self.called[..self.count].iter_mut().filter_map(Option::take) {
            waker.wake();
        }
        self.count = 0;
    }
}
