use deferred::succeed;

fn main() {
    succeed(1).add_callback(|n| n + 1);
}
