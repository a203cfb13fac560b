use reactor::Reactor;
use reactor_web::reverse::ReverseProxy;
use reactor_web::{App, serve};

fn main() -> deferred::Result<()> {
    let reactor = Reactor::new()?;
    let proxy = ReverseProxy::to(&reactor, std::env::var("UPSTREAM")?)?;
    let app = App::new().mount("/", proxy);
    reactor.block_on(serve(&reactor, std::env::var("ENDPOINT")?, app))?;
    reactor.run_until_signal()?;
    Ok(())
}
