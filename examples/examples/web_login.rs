//! Sessions with a login, and a form that other sites cannot send.
//!
//! Twisted's counterpart: `Request.getSession` and `twisted.web.guard`.
//!
//! ```text
//! cargo run --example web_login -- --listen 127.0.0.1:8080
//! ```
//!
//! In a browser: <http://localhost:8080>; the user is `ann`, the password `secret`.

use clap::Parser;
use reactor::Reactor;
use reactor_web::middleware::Credentials;
use reactor_web::sessions::{Csrf, Sessions};
use reactor_web::{App, Html, HttpError, Redirect, Request, escape_html, serve};

/// Greets those who have logged in.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

#[derive(serde::Deserialize)]
struct Login {
    user: String,
    password: String,
}

// ANCHOR: login
fn page(req: &Request) -> deferred::Result<Html<String>> {
    let token = req.csrf_token()?;
    let hidden = format!("<input type=hidden name=csrf_token value={token}>");
    let user: Option<String> = req.session()?.get("user")?;
    Ok(Html(match user {
        Some(user) => format!(
            "<p>hello, {}<form method=post action=/logout>{hidden}<button>Log out</button></form>",
            escape_html(&user)
        ),
        None => format!(
            "<form method=post action=/login>{hidden}<input name=user>\
             <input name=password type=password><button>Log in</button></form>"
        ),
    }))
}

async fn login(req: Request) -> deferred::Result<Redirect> {
    let form: Login = req.form().await?;
    let login = Credentials::new(form.user, form.password);
    if !login.matches("ann", "secret") {
        return Err(HttpError::forbidden().into());
    }
    let session = req.session()?;
    session.renew();
    session.insert("user", login.user())?;
    Ok(Redirect::see_other("/"))
}

fn app() -> App {
    App::new()
        .get("/", |req| page(&req))
        .post("/login", login)
        .post("/logout", |req| {
            req.session()?.destroy();
            Ok(Redirect::see_other("/"))
        })
        .wrap(Csrf::new())
        .wrap(Sessions::in_memory())
}
// ANCHOR_END: login

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
