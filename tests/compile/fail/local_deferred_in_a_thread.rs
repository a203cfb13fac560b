use std::thread;

use deferred::Deferred;

fn main() {
    let (trigger, _deferred) = Deferred::pair();
    thread::spawn(move || trigger.callback(1));
}
