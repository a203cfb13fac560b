//! Both crates can be imported whole.

use deferred::*;
use reactor::testing::TestReactor;
use reactor::*;

fn main() {
    let reactor = TestReactor::new();
    let waited = sleep(&*reactor, std::time::Duration::from_secs(1)).add_callback(|()| Ok(1));
    let _: Option<testing::Peer> = None;
    assertions::assert_no_result(&waited);
    waited.ignore();
    let _: deferred::Result<()> = Ok(());
    let _: Option<errors::WaitCycle> = None;
}
