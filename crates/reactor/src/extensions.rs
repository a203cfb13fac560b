//! Extensions: values that modules above the loop keep in it, each under its own type.
//!
//! So the loop need not know these modules, and a module that is not used costs nothing.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

/// The value that one module keeps in the loop.
pub(crate) trait Extension: Any {
    /// Called when the reactor is dropped.
    fn on_drop(&self);
}

/// The extensions of one loop: at most one value of each type.
#[derive(Default)]
pub(crate) struct Extensions {
    values: RefCell<Vec<Rc<dyn Extension>>>,
}

impl Extensions {
    /// The value of this type, made on first use.
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

    /// Takes out all values.
    pub(crate) fn take_all(&self) -> Vec<Rc<dyn Extension>> {
        self.values.take()
    }
}
