use deferred::{succeed, sync};

fn main() {
    sync::succeed(1).add_callback(|n| succeed(n));
}
