use reactor::{Context, Protocol, Raw, Reactor};

struct Echo;

impl Protocol for Echo {
    type Framing = Raw;

    fn received(&mut self, cx: &mut Context<'_, Self>, data: &[u8]) -> deferred::Result<()> {
        cx.write(data);
        Ok(())
    }
}

fn main() -> deferred::Result<()> {
    let reactor = Reactor::new()?;
    reactor.listen_tcp("127.0.0.1:0", Echo)?;
    Ok(())
}
