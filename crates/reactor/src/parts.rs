//! What modules above the loop keep in it, each under its own type.
//!
//! So the loop does not know them, and one that nobody uses costs nothing.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

/// What one module keeps in the loop.
pub(crate) trait Part: Any {
    /// The reactor goes.
    fn end(&self);
}

/// One of each type at the most.
#[derive(Default)]
pub(crate) struct Parts {
    parts: RefCell<Vec<Rc<dyn Part>>>,
}

impl Parts {
    /// The part of this type, which is made if it is not there.
    pub(crate) fn get<P: Part + Default>(&self) -> Rc<P> {
        let there = self.parts.borrow().iter().find_map(|part| {
            let part: Rc<dyn Any> = Rc::<dyn Part>::clone(part);
            part.downcast::<P>().ok()
        });
        there.unwrap_or_else(|| {
            let made = Rc::new(P::default());
            self.parts.borrow_mut().push(Rc::<P>::clone(&made));
            made
        })
    }

    /// Takes out all of them.
    pub(crate) fn take_all(&self) -> Vec<Rc<dyn Part>> {
        self.parts.take()
    }
}
