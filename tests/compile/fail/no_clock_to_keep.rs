use std::time::Duration;

use deferred::LoopingCall;

fn main() {
    let step = LoopingCall::new(|| println!("step"));
    step.start(&Duration::ZERO, Duration::from_secs(1));
}
