//! Active health checks: each upstream is asked for a page at intervals.

use std::rc::Rc;
use std::time::Duration;

use deferred::{Cancelled, Result, sleep};

use super::pool::Pool;
use crate::client::Client;

/// The path to ask for, and the interval.
#[derive(Clone)]
pub(super) struct Check {
    pub(super) path: String,
    pub(super) every: Duration,
}

/// The most time for one check.
// The interval may be longer, but a check that takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks the upstream `index` until it is cancelled.
pub(super) async fn watch(
    client: Client,
    pool: Rc<Pool>,
    index: usize,
    url: String,
    every: Duration,
) -> Result<()> {
    let upstream = &pool.upstreams[index];
    loop {
        let answer = client
            .request(http::Method::GET, &url)
            .header(http::header::HOST, upstream.base.host.clone())
            .timeout(every.min(PATIENCE))
            .send()
            .cancel_on_drop()
            .await;
        let fails = match answer {
            Ok(answer) if answer.status().is_success() => {
                // Read only so that the connection is kept: the status is the result of the check.
                let rest = answer.bytes().cancel_on_drop().await;
                match rest {
                    Err(failure) if failure.is::<Cancelled>() => return Err(failure),
                    rest => rest.is_err(),
                }
            }
            // The proxy is gone.
            Err(failure) if failure.is::<Cancelled>() => return Err(failure),
            _ => true,
        };
        // Only a change is logged.
        if upstream.fails_checks.replace(fails) != fails {
            let name = &upstream.base.name;
            if fails {
                tracing::warn!(target: "reactor_web", upstream = name, "the upstream fails its checks");
            } else {
                tracing::info!(target: "reactor_web", upstream = name, "the upstream passes its checks");
            }
        }
        // The interval begins after the answer, so a slow upstream is asked less often.
        sleep(client.reactor(), every).cancel_on_drop().await?;
    }
}
