//! `docs/core/examples/echoserv.py`

use deferred::Result;
use reactor::{Context, Protocol, Raw, ReactorHandle};

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> Result<()> {
        cx.write(data);
        Ok(())
    }
}

pub(crate) fn start(reactor: &ReactorHandle) -> Result<()> {
    reactor.listen_tcp("127.0.0.1:8000", || Echo)?;
    Ok(())
}
