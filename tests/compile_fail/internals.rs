//! What is inside is nobody else's to name.
use cofferdam::flow::timeout::Timeout;
use cofferdam::kernel::clock;
use cofferdam::policy::bulkhead::Bulkhead;

fn main() {}
