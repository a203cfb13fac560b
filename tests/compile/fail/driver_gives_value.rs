use reactor::Reactor;

fn main() -> deferred::Result<()> {
    let reactor = Reactor::new()?;
    reactor.spawn_driver(async { 1 });
    Ok(())
}
