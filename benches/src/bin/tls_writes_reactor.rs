//! Answers a byte with 1000 bytes over TLS: with one write after `o`, with 1000 writes after `m`.

use std::error::Error;

use reactor::{Context, Protocol, Raw, Reactor};

const ANSWER: [u8; 1000] = [b'x'; 1000];

struct Answers;

impl Protocol for Answers {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, bytes: &[u8]) -> deferred::Result<()> {
        for byte in bytes {
            match byte {
                b'o' => cx.write(ANSWER),
                _ => ANSWER.chunks(1).for_each(|byte| cx.write(byte)),
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let tls = benches::tls_configs::our_server()?;
    benches::listen_on_reactor(&reactor, tls.factory(|| Answers))?;
    reactor.run()?;
    Ok(())
}
