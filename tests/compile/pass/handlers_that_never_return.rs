//! Closures that a connection calls: they return nothing, a `Result`, or never.

use deferred::succeed;
use reactor::{Context, Protocol, Raw};
use std::time::Duration;

struct Talk;

impl Protocol for Talk {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        cx.when(succeed(1), |_this, _cx, _number| todo!());
        cx.when_or_cancel(succeed(1), |_this, _cx, number| {
            number?;
            Ok(())
        });
        cx.call_later(Duration::from_secs(1), |_this, _cx| panic!("no"));
        cx.call_every(Duration::from_secs(1), |_this, _cx| unreachable!());
        cx.connection().post(|_this, cx| cx.write("x"))?;
        Ok(())
    }
}

fn main() {}
