//! reqwest, on Tokio's runtime of one thread.

use std::error::Error;
use std::time::Duration;

use tokio::task::JoinSet;

use super::{AT_ONCE, Times};

/// What the requests take of the processor.
pub(super) fn run(url: &str, requests: usize, now: Times) -> Result<Duration, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = reqwest::Client::new();
        let start = now();
        let mut asking = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (client, url) = (client.clone(), url.to_owned());
            asking.spawn(async move {
                for _ in 0..requests / AT_ONCE {
                    let text = client.get(&url).send().await?.text().await?;
                    assert_eq!(text.len(), 13);
                }
                Ok::<_, reqwest::Error>(())
            });
        }
        while let Some(asked) = asking.join_next().await {
            asked??;
        }
        Ok(now() - start)
    })
}
