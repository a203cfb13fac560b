//! The client on the reactor.

use std::error::Error;
use std::time::Duration;

use deferred::gather_results;
use reactor::Reactor;
use reactor_web::Client;

use super::{AT_ONCE, Times};

/// What the requests take of the processor.
pub(super) fn run(url: &str, requests: usize, now: Times) -> Result<Duration, Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let client = Client::new(&reactor);
    let start = now();
    let asking = (0..AT_ONCE).map(|_| {
        let (client, url) = (client.clone(), url.to_owned());
        reactor.spawn(async move {
            for _ in 0..requests / AT_ONCE {
                let text = client.get(&url).await?.text().await?;
                assert_eq!(text.len(), 13);
            }
            Ok(())
        })
    });
    reactor.block_on(gather_results(asking))?;
    Ok(now() - start)
}
