//! `Child`: what a resource has found for the next segment of a path.

use std::fmt;
use std::rc::Rc;

use deferred::Deferred;

use super::Resource;

/// The result of [`Resource::child`].
///
/// Any resource converts into it, as does an `Option` of one, and a Deferred of a `Child`, so a
/// child may be looked up in a database.
///
/// # Examples
///
/// ```
/// use deferred::{Deferred, succeed};
/// use reactor_web::{Answer, App, Child, Leaf, Request, Resource, ResourceTree};
/// use reactor_web::testing::TestClient;
///
/// fn look_up(name: &str) -> Deferred<Option<u32>> {
///     succeed((name == "ann").then_some(42))
/// }
///
/// struct Users;
///
/// impl Resource for Users {
///     fn child(&self, name: &str, _request: &Request) -> Child {
///         let looking_up = look_up(name);
///         let user = looking_up.add_callback(|id| {
///             Ok(Child::from(id.map(|id| Leaf::new(move |_: Request| format!("user {id}")))))
///         });
///         user.into()
///     }
///
///     fn render(&self, _request: Request) -> Answer {
///         Answer::now("all users")
///     }
/// }
///
/// let client = TestClient::new(App::new().mount("/users", ResourceTree::new(Users)))?;
/// assert_eq!(client.get("/users/ann").text(), "user 42");
/// assert_eq!(client.get("/users/bob").status(), 404);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[must_use = "it is where the request goes"]
pub enum Child {
    /// No such resource: the answer is a 404. (Twisted: `NoResource`.)
    #[doc(alias = "NoResource", alias = "notFound")]
    None,
    /// A resource that was there, or was made for this request.
    Found(Rc<dyn Resource>),
    /// A child that comes with a Deferred, which is cancelled if the client goes before. Its
    /// failure is that of the request. (Twisted: `DeferredResource`.)
    #[doc(alias = "DeferredResource")]
    Later(Box<Deferred<Self>>),
}

impl<R: Resource> From<R> for Child {
    fn from(resource: R) -> Self {
        Self::Found(Rc::new(resource))
    }
}

impl<R: Resource> From<Option<R>> for Child {
    fn from(found: Option<R>) -> Self {
        found.map_or(Self::None, Self::from)
    }
}

impl From<Deferred<Self>> for Child {
    fn from(later: Deferred<Self>) -> Self {
        Self::Later(Box::new(later))
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Found(_) => "Found(..)",
            Self::Later(_) => "Later(..)",
        })
    }
}
