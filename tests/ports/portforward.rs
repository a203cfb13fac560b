//! `src/twisted/protocols/portforward.py` with `docs/core/examples`' way to start it

use deferred::Result;
use reactor::{Context, Protocol, Raw, ReactorHandle, pump};

struct ProxyServer {
    target: &'static str,
}

impl Protocol for ProxyServer {
    type Framing = Raw;

    fn connection_made(&mut self, cx: &mut Context<'_, Self>) -> Result<()> {
        cx.pause_reading();
        let client = cx.reactor().connect_tcp(self.target, ProxyClient);
        cx.when_or_cancel(client, |_, cx, client| {
            let (client, server) = (client?, cx.connection());
            pump(&server, &client).ignore();
            pump(&client, &server).ignore();
            cx.resume_reading();
            Ok(())
        });
        Ok(())
    }
}

struct ProxyClient;

impl Protocol for ProxyClient {
    type Framing = Raw;
}

pub(crate) fn start(reactor: &ReactorHandle) -> Result<()> {
    reactor.listen_tcp("127.0.0.1:8001", || ProxyServer {
        target: "127.0.0.1:8000",
    })?;
    Ok(())
}
