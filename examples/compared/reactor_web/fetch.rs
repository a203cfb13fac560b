use std::time::Duration;

use deferred::{DeferredSemaphore, gather_results};
use reactor::Reactor;
use reactor_web::Client;
use reactor_web::client::ClientResponse;

fn main() -> deferred::Result<()> {
    let reactor = Reactor::new()?;
    let (client, slots) = (Client::new(&reactor), DeferredSemaphore::new(3)?);
    let url = std::env::var("URL")?;
    let pages = gather_results((0..10).map(|_| {
        let (client, url) = (client.clone(), url.clone());
        slots.run(move || client.get(url).add_callback(ClientResponse::text))
    }));
    let pages = pages.add_timeout(Duration::from_secs(30), &*reactor);
    for page in reactor.block_on(pages)? {
        println!("{}", page.len());
    }
    Ok(())
}
