//! A site that grows in the guide: short names for long addresses, from the first route to a
//! login, with a log and limits.
//!
//! Twisted's counterpart: none.
//!
//! ```text
//! cargo run --example web_shortener -- --listen 127.0.0.1:8080 --password secret
//! ```
//!
//! In a browser: <http://localhost:8080>.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use reactor::Reactor;
use reactor_web::http::Uri;
use reactor_web::middleware::{
    AccessLog, ContentSecurityPolicy, Credentials, RateLimit, RequestId, RequestSpan,
    SecurityHeaders, Timeout,
};
use reactor_web::sessions::{Csrf, Sessions};
use reactor_web::{App, Html, HttpError, Next, Redirect, Request, Response, escape_html, serve};

/// Gives long addresses short names.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    /// The password of the user `admin`.
    #[arg(long)]
    password: String,
}

// ANCHOR: links
#[derive(Default)]
struct Links(RefCell<BTreeMap<String, Link>>);

struct Link {
    target: String,
    visits: u32,
}

impl Links {
    fn follow(&self, name: &str) -> deferred::Result<Redirect> {
        let mut links = self.0.borrow_mut();
        let link = links.get_mut(name).ok_or_else(HttpError::not_found)?;
        link.visits += 1;
        Ok(Redirect::temporary(&link.target))
    }
}
// ANCHOR_END: links

// ANCHOR: add
#[derive(serde::Deserialize)]
struct NewLink {
    name: String,
    target: String,
}

impl Links {
    fn add(&self, new: NewLink) -> deferred::Result<Redirect> {
        let is_url = new
            .target
            .parse::<Uri>()
            .is_ok_and(|uri| uri.scheme().is_some());
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !is_url || new.name.is_empty() || !new.name.chars().all(is_name) {
            return Err(HttpError::bad_request("a link has a name and a URL").into());
        }
        let link = Link {
            target: new.target,
            visits: 0,
        };
        self.0.borrow_mut().insert(new.name, link);
        Ok(Redirect::see_other("/"))
    }
}
// ANCHOR_END: add

// ANCHOR: home
fn home(links: &Links, req: &Request) -> deferred::Result<Html<String>> {
    let token = req.csrf_token()?;
    let hidden = format!("<input type=hidden name=csrf_token value={token}>");
    let mut page = String::from("<!doctype html><title>Links</title><h1>Links</h1><ul>");
    for (name, link) in &*links.0.borrow() {
        let (target, visits) = (escape_html(&link.target), link.visits);
        write!(
            page,
            "<li><a href=\"/{name}\">{name}</a> to {target}, {visits} visits"
        )?;
    }
    page.push_str("</ul>");
    match req.session()?.get::<String>("user")? {
        Some(user) => write!(
            page,
            "<form method=post action=/links>{hidden}<input name=name placeholder=name>\
             <input name=target placeholder=https://><button>Add</button></form>\
             <form method=post action=/logout>{hidden}<button>Log out {}</button></form>",
            escape_html(&user)
        )?,
        None => write!(
            page,
            "<form method=post action=/login>{hidden}<input name=user>\
             <input name=password type=password><button>Log in</button></form>"
        )?,
    }
    Ok(Html(page))
}
// ANCHOR_END: home

// ANCHOR: login
#[derive(serde::Deserialize)]
struct Login {
    user: String,
    password: String,
}

fn login(password: &str, req: &Request, form: Login) -> deferred::Result<Redirect> {
    let login = Credentials::new(form.user, form.password);
    if !login.matches("admin", password) {
        return Err(HttpError::forbidden().into());
    }
    let session = req.session()?;
    session.renew();
    session.insert("user", login.user())?;
    Ok(Redirect::see_other("/"))
}

async fn only_users(mut req: Request, next: Next) -> deferred::Result<Response> {
    let user: Option<String> = req.session()?.get("user")?;
    req.set_user(user.ok_or_else(HttpError::forbidden)?);
    next.run(req).await
}
// ANCHOR_END: login

// ANCHOR: routes
fn routes(links: Rc<Links>, password: String) -> App {
    let (shown, added) = (Rc::clone(&links), Rc::clone(&links));
    let few = RateLimit::new(5, Duration::from_secs(60));
    App::new()
        .get("/", move |req| home(&shown, &req))
        .get("/{name}", move |req| links.follow(req.param("name")?))
        .group(only_users, |app| {
            app.post("/links", move |req| {
                let links = Rc::clone(&added);
                req.form().add_callback(move |new| links.add(new))
            })
        })
        .group(few, |app| {
            app.post("/login", move |req| {
                let (form, password) = (req.form(), password.clone());
                form.add_callback(move |form| login(&password, &req, form))
            })
        })
        .post("/logout", |req| {
            req.session()?.destroy();
            Ok(Redirect::see_other("/"))
        })
}
// ANCHOR_END: routes

// ANCHOR: middleware
fn app(password: String) -> App {
    let policy = ContentSecurityPolicy::new()
        .directive("default-src", "'self'")
        .directive("frame-ancestors", "'none'");
    routes(Rc::default(), password)
        .wrap(Csrf::new())
        .wrap(Sessions::in_memory())
        .wrap(SecurityHeaders::new().csp(policy))
        .wrap(Timeout::after(Duration::from_secs(10)))
        .wrap(RequestSpan::new())
        .wrap(RequestId::new())
        .wrap(AccessLog::combined().writer(std::io::stdout()))
}
// ANCHOR_END: middleware

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app(args.password)))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
