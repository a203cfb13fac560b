use std::rc::Rc;

use deferred::Deferred;
use reactor::Reactor;

fn main() -> deferred::Result<()> {
    let reactor = Reactor::new()?;
    let (trigger, _deferred) = Deferred::pair();
    reactor.defer_to_thread(move || Ok(trigger.callback(1)?));
    let shared = Rc::new(1);
    reactor.remote().call_from_thread(move |_| println!("{shared}"))?;
    Ok(())
}
