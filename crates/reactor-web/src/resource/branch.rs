//! `Branch`: a resource with a list of children.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use deferred::Result;

use super::{Child, Leaf, Resource};
use crate::error::HttpError;
use crate::handler::Handler;
use crate::request::Request;
use crate::response::Answer;

/// A resource whose children are put into it by name. (Twisted: `Resource.putChild`.)
///
/// Cheap to clone: all clones share their children, which may be added and removed while the branch
/// is served. Without an [index](Self::with_index), its own path is a 404. A branch that is put
/// below itself is a reference cycle, and is never dropped.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Branch, Leaf, Redirect, Request, ResourceTree, testing::TestClient};
///
/// let root = Branch::new().with_index(|_: Request| "the front page");
/// let admin = Branch::new();
/// admin.put_child("users", Leaf::new(|_: Request| "all users"));
/// root.put_child("admin", admin.clone());
/// root.put_child("old", Redirect::permanent("/admin"));
///
/// let client = TestClient::new(App::new().mount("/", ResourceTree::new(root)))?;
/// assert_eq!(client.get("/").text(), "the front page");
/// assert_eq!(client.get("/admin/users").text(), "all users");
/// assert_eq!(client.get("/old").status(), 308);
///
/// admin.remove_child("users");
/// assert_eq!(client.get("/admin/users").status(), 404);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Default)]
pub struct Branch {
    shared: Rc<Shared>,
    index: Option<Rc<Leaf>>,
}

#[derive(Default)]
struct Shared {
    children: RefCell<BTreeMap<String, Rc<dyn Resource>>>,
    /// Set while `prepare` runs, which would not end if a branch is below itself.
    // Cleared at the end of the call even if a child fails, so that the next call tries again.
    is_preparing: Cell<bool>,
}

impl Branch {
    /// A resource without children.
    pub fn new() -> Self {
        Self::default()
    }

    /// Has requests for the path of the resource itself answered by `handler`. Earlier clones do
    /// not get it.
    pub fn with_index<M: 'static>(mut self, handler: impl Handler<M>) -> Self {
        self.index = Some(Rc::new(Leaf::new(handler)));
        self
    }

    /// Has requests at and below `name` answered by `resource`; one that was there before is
    /// replaced. `name` is one segment of a path, without percent-encoding.
    #[doc(alias = "putChild")]
    pub fn put_child(&self, name: impl Into<String>, resource: impl Resource) {
        let resource: Rc<dyn Resource> = Rc::new(resource);
        let replaced = self
            .shared
            .children
            .borrow_mut()
            .insert(name.into(), resource);
        // Dropped after the borrow: the drop may be code of the user, which puts children.
        drop(replaced);
    }

    /// Removes a child; returns whether there was one. Requests that it answers go on.
    #[doc(alias = "delEntity")]
    pub fn remove_child(&self, name: &str) -> bool {
        let removed = self.shared.children.borrow_mut().remove(name);
        // `removed` is dropped at the end, after the borrow.
        removed.is_some()
    }
}

impl Resource for Branch {
    fn child(&self, name: &str, _request: &Request) -> Child {
        // Cloned, so that nothing is borrowed: the child's code may put or remove children.
        let found = self.shared.children.borrow().get(name).map(Rc::clone);
        found.map_or(Child::None, Child::Found)
    }

    fn render(&self, request: Request) -> Answer {
        match &self.index {
            Some(index) => index.render(request),
            None => Answer::failed(HttpError::not_found()),
        }
    }

    fn prepare(&self) -> Result<()> {
        if let Some(index) = &self.index {
            index.prepare()?;
        }
        if self.shared.is_preparing.replace(true) {
            return Ok(());
        }
        // A copy of the list: the `prepare` of a child may put others.
        let children: Vec<_> = self.shared.children.borrow().values().cloned().collect();
        let prepared = children.iter().try_for_each(|child| child.prepare());
        self.shared.is_preparing.set(false);
        prepared
    }
}

impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children = self.shared.children.borrow();
        let names: Vec<_> = children.keys().collect();
        f.debug_struct("Branch")
            .field("children", &names)
            .finish_non_exhaustive()
    }
}
