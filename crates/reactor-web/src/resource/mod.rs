//! Resource tree: objects that find the object for the next segment of a path, as in
//! `twisted.web.resource`.

mod branch;
mod child;
mod leaf;
mod tree;

use std::rc::Rc;

use deferred::Result;

pub use self::branch::Branch;
pub use self::child::Child;
pub use self::leaf::Leaf;
pub use self::tree::ResourceTree;
use crate::request::Request;
use crate::response::{Answer, Redirect};

/// A node of a [`ResourceTree`]: it answers requests for its own path, and finds the resource
/// for the next segment. (Twisted: `IResource`.)
///
/// Routes are simpler where the paths are known when the program is written. A tree is for paths
/// that follow data: each resource knows what is below it. [`Branch`] is a resource with a list of
/// children (`putChild`), [`Leaf`] makes a resource of a handler, and a [`Redirect`] is a resource,
/// too.
///
/// # Examples
///
/// ```
/// use reactor_web::{Answer, App, Child, Request, Resource, ResourceTree, testing::TestClient};
///
/// /// A number, below which are its multiples.
/// struct Number(u64);
///
/// impl Resource for Number {
///     fn child(&self, name: &str, _request: &Request) -> Child {
///         let factor: Option<u64> = name.parse().ok();
///         factor.and_then(|factor| self.0.checked_mul(factor)).map(Number).into()
///     }
///
///     fn render(&self, _request: Request) -> Answer {
///         Answer::now(self.0.to_string())
///     }
/// }
///
/// let app = App::new().mount("/product", ResourceTree::new(Number(1)));
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("/product/6/7").text(), "42");
/// assert_eq!(client.get("/product").text(), "1");
/// assert_eq!(client.get("/product/six").status(), 404);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "IResource", alias = "getChild", alias = "dynamic routes")]
pub trait Resource: 'static {
    /// Finds the resource for the next segment of the path. `name` is the segment after
    /// percent-decoding, so it may contain a slash. `request.rest()` is the path after the segment.
    /// By default, there are no children. (Twisted: `getChild`.)
    ///
    /// If the path ends with a slash, the last segment is empty. If there is no child for the empty
    /// name, the resource answers the request itself.
    fn child(&self, name: &str, request: &Request) -> Child {
        let _ = (name, request);
        Child::None
    }

    /// Whether this resource also answers all requests below its path, and gets the rest of the
    /// path as [`Request::rest`]. Then `child` is not called.
    #[doc(alias = "isLeaf")]
    fn is_leaf(&self) -> bool {
        false
    }

    /// Answers a request, of any method. Dropping the answer cancels what it waits for.
    #[doc(alias = "render_GET", alias = "render_POST")]
    fn render(&self, request: Request) -> Answer;

    /// Called before the app is served, for the root of a tree and all resources in the
    /// [`Branch`]es below it: see [`Handler::prepare`](crate::Handler::prepare).
    ///
    /// # Errors
    ///
    /// The resource cannot work. The app is not served then.
    fn prepare(&self) -> Result<()> {
        Ok(())
    }
}

/// One resource in several places, or a resource of which the program keeps a handle.
impl<R: Resource + ?Sized> Resource for Rc<R> {
    fn child(&self, name: &str, request: &Request) -> Child {
        (**self).child(name, request)
    }

    fn is_leaf(&self) -> bool {
        (**self).is_leaf()
    }

    fn render(&self, request: Request) -> Answer {
        (**self).render(request)
    }

    fn prepare(&self) -> Result<()> {
        (**self).prepare()
    }
}

/// Redirects all requests at and below its path. (Twisted: `util.Redirect`.)
impl Resource for Redirect {
    fn is_leaf(&self) -> bool {
        true
    }

    fn render(&self, _request: Request) -> Answer {
        Answer::now(self.clone())
    }
}
