//! A resource tree: each object finds the object for the next segment of a path.
//!
//! Twisted's counterpart: the calendar of "Dynamic URL Dispatch", with `twisted.web.resource`.
//!
//! ```text
//! cargo run --example web_resources -- --listen 127.0.0.1:8080
//! curl localhost:8080/calendar/2026/2
//! ```

use clap::Parser;
use reactor::Reactor;
use reactor_web::{
    Answer, App, Branch, Child, Html, Redirect, Request, Resource, ResourceTree, serve,
};

/// Shows how many days months have.
#[derive(Parser)]
struct Args {
    /// The address and port to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
}

// ANCHOR: tree
/// Any year is below it.
struct Calendar;

/// Months are below it.
struct Year(u32);

struct Month(u32, u32);

impl Resource for Calendar {
    fn child(&self, name: &str, _request: &Request) -> Child {
        name.parse().ok().map(Year).into()
    }

    fn render(&self, _request: Request) -> Answer {
        Answer::now("append a year to the address\n")
    }
}

impl Resource for Year {
    fn child(&self, name: &str, _request: &Request) -> Child {
        let month: Option<u32> = name.parse().ok();
        let month = month.filter(|month| (1..=12).contains(month));
        month.map(|month| Month(self.0, month)).into()
    }

    fn render(&self, _request: Request) -> Answer {
        let links = (1..=12).map(|month| format!("<a href='{}/{month}'>{month}</a>\n", self.0));
        Answer::now(Html(links.collect::<String>()))
    }
}

impl Resource for Month {
    fn render(&self, _request: Request) -> Answer {
        let Self(year, month) = self;
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        Answer::now(format!("{year}-{month:02} has {days} days\n"))
    }
}

fn app() -> App {
    let root = Branch::new().with_index(|_: Request| "see /calendar\n");
    root.put_child("calendar", Calendar);
    root.put_child("today", Redirect::temporary("/calendar/2026/11"));
    App::new().mount("/", ResourceTree::new(root))
}
// ANCHOR_END: tree

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let endpoint = reactor::options::TcpListenOptions::from(args.listen);
    let port = reactor.block_on(serve(&reactor, endpoint, app()))?;
    reactor.call_when_running(move || println!("listening on {}", port.address()));
    reactor.run_until_signal()?;
    Ok(())
}
