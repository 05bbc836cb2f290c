use http::Request;

use crate::kernel::{Context, Deadline};

/// The context of an HTTP request is in its extensions.
impl<B> Context for Request<B> {
    fn deadline(&self) -> Option<Deadline> {
        self.extensions().get().copied()
    }

    fn set_deadline(&mut self, deadline: Deadline) {
        self.extensions_mut().insert(deadline);
    }
}
