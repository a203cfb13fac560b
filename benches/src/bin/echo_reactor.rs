//! Echo on the reactor of this project.

use std::error::Error;

use benches::AGE;
use deferred::DelayedCall;
use reactor::{Context, Protocol, Raw, Reactor};

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> deferred::Result<()> {
        cx.write(bytes);
        Ok(())
    }
}

/// One that is given up if nothing happens.
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
    let wanted = benches::address()?;
    let port = if benches::has_timers() {
        reactor.listen_tcp(wanted, Patient::default)?
    } else {
        reactor.listen_tcp(wanted, || Echo)?
    };
    benches::ready(wanted, port.address())?;
    reactor.run()?;
    Ok(())
}
