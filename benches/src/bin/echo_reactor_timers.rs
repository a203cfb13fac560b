//! Echo on our reactor, where each connection has a timer.

use std::error::Error;

use benches::AGE;
use deferred::DelayedCall;
use reactor::{Context, Protocol, Raw, Reactor};

/// Sends back whatever it gets, and is given up if nothing happens.
#[derive(Default)]
struct Patient {
    limit: Option<DelayedCall>,
}

impl Protocol for Patient {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> deferred::Result<()> {
        self.limit = Some(cx.call_later(AGE, |_, cx| cx.abort()));
        Ok(())
    }

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> deferred::Result<()> {
        if let Some(limit) = &self.limit {
            limit.reset(AGE)?;
        }
        cx.write(bytes);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    benches::listen_on_reactor(&reactor, Patient::default)?;
    reactor.run()?;
    Ok(())
}
