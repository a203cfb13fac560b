//! `serve` and `run`: an app on an endpoint, in one line.

use deferred::{Deferred, Result, fail};
use reactor::endpoint::AnyPort;
use reactor::{Listen, Reactor, ReactorHandle, ServerEndpoint};

use crate::app::App;

/// Serves `app` on `endpoint`: as text (`tcp:8080`, `unix:/run/web.socket`), or any other
/// [`ServerEndpoint`]. When the reactor stops, the port is closed first: if another process has a
/// copy of the listening socket, as a successor may, that process gets all later connections.
///
/// # Errors
///
/// Two routes conflict, the text does not describe an endpoint, or the address cannot be listened
/// on.
///
/// # Examples
///
/// ```
/// use reactor::Reactor;
/// use reactor_web::{App, serve};
///
/// let reactor = Reactor::new()?;
/// let app = App::new().get("/hello/{name}", |req| Ok(format!("hello, {}\n", req.param("name")?)));
/// let port = reactor.block_on(serve(&reactor, "tcp:0:interface=127.0.0.1", app))?;
/// println!("listening on {}", port.address());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn serve(
    reactor: &ReactorHandle,
    endpoint: impl ServerEndpoint,
    app: App,
) -> Deferred<AnyPort> {
    match app.into_site() {
        Ok(site) => {
            let listening = endpoint.listen(reactor, site);
            listening.map_ok(|port| {
                // `Before` is also the phase in which the site answers the requests that run: with
                // the port closed, no further connection comes in that time.
                port.stop_before_shutdown();
                port
            })
        }
        Err(failure) => fail(failure),
    }
}

/// Serves `app` on `endpoint` in a reactor of its own, until Ctrl-C or SIGTERM: then the
/// requests that run are answered, and this returns.
///
/// # Errors
///
/// As for [`serve`], and if the reactor cannot be created.
///
/// # Examples
///
/// ```no_run
/// use reactor_web::{App, run};
///
/// fn main() -> deferred::Result<()> {
///     run("tcp:8080", App::new().get("/", |_| "hello\n"))
/// }
/// ```
#[track_caller]
pub fn run(endpoint: impl ServerEndpoint, app: App) -> Result<()> {
    let reactor = Reactor::new()?;
    let port = reactor.block_on(serve(&reactor, endpoint, app))?;
    tracing::info!(target: "reactor_web", address = %port.address(), "serving");
    reactor.run_until_signal()?;
    Ok(())
}
