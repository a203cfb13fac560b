//! What modules above the loop keep in it, each under its own type.
//!
//! So the loop does not know them, and one that nobody uses costs nothing.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

/// What one module keeps in the loop.
pub(crate) trait Extension: Any {
    /// The reactor is dropped.
    fn on_drop(&self);
}

/// One of each type at the most.
#[derive(Default)]
pub(crate) struct Extensions {
    values: RefCell<Vec<Rc<dyn Extension>>>,
}

impl Extensions {
    /// The part of this type, which is made if it is not there.
    pub(crate) fn get<X: Extension + Default>(&self) -> Rc<X> {
        let there = self.values.borrow().iter().find_map(|extension| {
            let extension: Rc<dyn Any> = Rc::<dyn Extension>::clone(extension);
            extension.downcast::<X>().ok()
        });
        there.unwrap_or_else(|| {
            let made = Rc::new(X::default());
            self.values.borrow_mut().push(Rc::<X>::clone(&made));
            made
        })
    }

    /// Takes out all of them.
    pub(crate) fn take_all(&self) -> Vec<Rc<dyn Extension>> {
        self.values.take()
    }
}
