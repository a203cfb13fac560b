//! Fetches many URLs, a limited number at the same time, with progress and a timeout for all.
//!
//! Twisted's counterpart: `twisted.web.client.Agent` with a `DeferredSemaphore`; the API is like
//! that of treq.
//!
//! ```text
//! cargo run --example fetch_many -- --at-once 4 http://127.0.0.1:8080/ https://example.org/
//! ```

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use deferred::{Deferred, DeferredSemaphore, Result, settled};
use reactor::Reactor;
use reactor_web::Client;
use reactor_web::client::ClientResponse;

/// Fetches pages, and prints how long they are.
#[derive(Parser)]
struct Args {
    /// The URLs of the pages.
    #[arg(required = true)]
    urls: Vec<String>,
    /// How many are fetched at once.
    #[arg(long, default_value_t = 8)]
    at_once: usize,
    /// Seconds for all of them together.
    #[arg(long, default_value_t = 30.0)]
    timeout: f64,
}

// ANCHOR: fetch
fn fetch(
    client: Client,
    urls: Vec<String>,
    slots: DeferredSemaphore,
) -> Deferred<Vec<Result<String>>> {
    let (count, done) = (urls.len(), Rc::new(Cell::new(0)));
    settled(urls.into_iter().map(move |url| {
        let (client, done) = (client.clone(), Rc::clone(&done));
        let page = slots.run(move || client.get(url).add_callback(ClientResponse::text));
        page.add_both(move |page| {
            done.set(done.get() + 1);
            eprintln!("{} of {count}", done.get());
            page
        })
    }))
}
// ANCHOR_END: fetch

fn main() -> Result<()> {
    let args = Args::parse();
    let reactor = Reactor::new()?;
    let slots = DeferredSemaphore::new(args.at_once)?;
    let pages = fetch(Client::new(&reactor), args.urls.clone(), slots)
        .add_timeout(Duration::from_secs_f64(args.timeout), &*reactor);
    for (url, page) in args.urls.iter().zip(reactor.block_on(pages)?) {
        match page {
            Ok(text) => println!("{url}: {} bytes", text.len()),
            Err(failure) => println!("{url}: {failure}"),
        }
    }
    Ok(())
}
