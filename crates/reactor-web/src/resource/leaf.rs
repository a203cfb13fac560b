//! `Leaf`: a handler as a resource.

use std::cell::RefCell;
use std::fmt;

use deferred::Result;

use super::Resource;
use crate::handler::{AnyHandler, Handler, call, erase};
use crate::request::Request;
use crate::response::Answer;

/// A handler as a [`Resource`]: a closure, an [`App`](crate::App), or files. It answers all
/// requests at and below its path.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Branch, Leaf, Request, ResourceTree, testing::TestClient};
///
/// let notes = App::new().get("/{id}", |req| Ok(format!("note {}", req.param("id")?)));
/// let root = Branch::new();
/// root.put_child("notes", Leaf::new(notes));
/// root.put_child("echo", Leaf::new(|req: Request| req.rest().to_owned()));
///
/// let client = TestClient::new(App::new().mount("/", ResourceTree::new(root)))?;
/// assert_eq!(client.get("/notes/7").text(), "note 7");
/// assert_eq!(client.get("/echo/a/b").text(), "/a/b");
/// # Ok::<(), deferred::Failure>(())
/// ```
pub struct Leaf {
    handler: AnyHandler,
    /// Result of the handler's `prepare`. Set at the latest by the first request, since a leaf may
    /// be made after the app was prepared.
    // A failure is kept, too: each request then gets it, and the handler is not prepared again.
    prepared: RefCell<Option<Result<()>>>,
}

impl Leaf {
    /// A resource whose requests `handler` answers.
    pub fn new<M: 'static>(handler: impl Handler<M>) -> Self {
        Self {
            handler: erase(handler),
            prepared: RefCell::new(None),
        }
    }
}

impl Resource for Leaf {
    fn is_leaf(&self) -> bool {
        true
    }

    fn render(&self, request: Request) -> Answer {
        match self.prepare() {
            Ok(()) => call(&*self.handler, request),
            Err(failure) => Answer::failed(failure),
        }
    }

    fn prepare(&self) -> Result<()> {
        let known = self.prepared.borrow().clone();
        if let Some(prepared) = known {
            return prepared;
        }
        // `prepared` is not borrowed while the handler prepares, since that may reach this leaf
        // again.
        let prepared = self.handler.prepare();
        self.prepared.replace(Some(prepared.clone()));
        prepared
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}
