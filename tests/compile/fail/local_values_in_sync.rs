use deferred::{Deferred, sync};

fn main() {
    let (trigger, _deferred) = Deferred::pair();
    sync::succeed(1).add_callback(move |number| Ok(trigger.callback(number)?));
}
