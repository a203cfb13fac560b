use std::time::Duration;

fn main() {
    deferred::sleep(&Duration::from_secs(1), Duration::from_secs(1));
}
