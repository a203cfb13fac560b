//! Reply channel: a result from another thread, as a Deferred of the loop.

use std::rc::Rc;
use std::sync::Arc;

use deferred::Deferred;

use crate::core::Core;
use crate::inbox::Inbox;

/// Sending end, for another thread.
///
/// If the sender is dropped without a result, the Deferred is abandoned. If the reactor is dropped
/// first, the Deferred fails with `ReactorGone`.
pub(crate) struct ReplySender<T: Send + 'static> {
    inbox: Arc<Inbox<Rc<Core>>>,
    number: u64,
    result: Option<T>,
}

impl<T: Send + 'static> ReplySender<T> {
    /// Makes a Deferred, and the sender by which another thread fires it. If the Deferred is
    /// cancelled, a later result is dropped, and `on_cancel` is called, which can stop the work for
    /// it.
    #[track_caller]
    pub(crate) fn pair(core: &Rc<Core>, on_cancel: impl FnOnce() + 'static) -> (Self, Deferred<T>) {
        let number = core.pending_replies.next();
        // Weak, because the core owns the delivery below, and with it the trigger and this
        // canceller.
        let weak = Rc::downgrade(core);
        let (trigger, deferred) = Deferred::with_canceller(move |_trigger| {
            if let Some(core) = weak.upgrade() {
                drop(core.pending_replies.remove(number));
            }
            on_cancel();
        });
        core.pending_replies.insert(Box::new(move |result| {
            // `fire` cannot err: a cancel removes the delivery.
            let _ = match result {
                Ok(result) => {
                    let Ok(result) = result.downcast::<T>() else {
                        unreachable!("its number was given to a reply of this type");
                    };
                    trigger.fire(Ok(*result))
                }
                Err(gone) => trigger.fire(Err(gone.into())),
            };
        }));
        let reply = Self {
            inbox: Arc::clone(&core.shared.inbox),
            number,
            result: None,
        };
        (reply, deferred)
    }

    pub(crate) fn send(mut self, result: T) {
        // The drop of `self` posts the result.
        self.result = Some(result);
    }
}

impl<T: Send + 'static> Drop for ReplySender<T> {
    fn drop(&mut self) {
        let number = self.number;
        let result = self.result.take();
        // Errs if the reactor was dropped; then its Deferreds have failed already.
        let _ = self.inbox.post(move |core| {
            let delivery = core.pending_replies.remove(number);
            if let (Some(deliver), Some(result)) = (delivery, result) {
                deliver(Ok(Box::new(result)));
            }
        });
    }
}
