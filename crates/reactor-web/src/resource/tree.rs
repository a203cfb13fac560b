//! `ResourceTree`: walks down a tree of resources by the segments of a path.

use std::fmt;
use std::ops::ControlFlow;
use std::rc::Rc;

use deferred::{Deferred, Result};
use percent_encoding::percent_decode_str;

use super::{Child, Resource};
use crate::error::HttpError;
use crate::handler::Handler;
use crate::request::Request;
use crate::response::{Answer, Response};

/// A tree of [`Resource`]s as a handler, to be mounted into an [`App`](crate::App). (Twisted:
/// `Site`, which has nothing else.)
///
/// It goes down from the root by the segments of the path, until the path ends or a resource is a
/// leaf. Trees for several hosts (`NameVirtualHost`) are given to [`App::host`](crate::App::host).
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Branch, Leaf, Request, ResourceTree, testing::TestClient};
///
/// let shop = Branch::new();
/// shop.put_child("lamps", Leaf::new(|_: Request| "all lamps"));
/// let app = App::new()
///     .get("/", |_| "the front page")
///     .host("shop.example.org", ResourceTree::new(shop));
///
/// let client = TestClient::new(app)?;
/// assert_eq!(client.get("http://shop.example.org/lamps").text(), "all lamps");
/// assert_eq!(client.get("/lamps").status(), 404);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "getResourceFor", alias = "NameVirtualHost")]
pub struct ResourceTree {
    root: Rc<dyn Resource>,
}

impl ResourceTree {
    /// The tree below `root`.
    pub fn new(root: impl Resource) -> Self {
        Self {
            root: Rc::new(root),
        }
    }
}

impl Handler for ResourceTree {
    fn handle(&self, request: Request) -> Answer {
        walk(Rc::clone(&self.root), request)
    }

    fn prepare(&self) -> Result<()> {
        self.root.prepare()
    }
}

/// Goes down from `resource` by the rest of the path of `request`.
fn walk(mut resource: Rc<dyn Resource>, mut request: Request) -> Answer {
    loop {
        if resource.is_leaf() {
            return resource.render(request);
        }
        // The path ends without a slash: this resource was asked for by its own name.
        let Some(segment) = request.next_segment() else {
            return resource.render(request);
        };
        // Decoded after the path was split, so that an encoded slash does not separate segments.
        let Ok(name) = percent_decode_str(&segment).decode_utf8() else {
            return Answer::failed(HttpError::bad_request("the path is not UTF-8"));
        };
        let is_at_slash = name.is_empty() && request.rest().is_empty();
        let child = resource.child(&name, &request);
        match enter(resource, child, is_at_slash, request) {
            ControlFlow::Continue(below) => (resource, request) = below,
            ControlFlow::Break(answer) => return answer,
        }
    }
}

/// The child at which the walk goes on; or the answer, if there is no child, or it comes later.
/// Each child that comes later adds a Deferred within another, so the number of segments bounds the
/// depth.
fn enter(
    parent: Rc<dyn Resource>,
    mut child: Child,
    is_at_slash: bool,
    request: Request,
) -> ControlFlow<Answer, (Rc<dyn Resource>, Request)> {
    loop {
        child = match child {
            Child::Found(child) => return ControlFlow::Continue((child, request)),
            Child::None if is_at_slash => return ControlFlow::Break(parent.render(request)),
            Child::None => return ControlFlow::Break(Answer::failed(HttpError::not_found())),
            // If the child is there already, the loop goes on with it: a callback would run at
            // once, and the callbacks of a long path would nest.
            Child::Later(later) => match later.into_result() {
                Ok(Ok(child)) => child,
                Ok(Err(failure)) => return ControlFlow::Break(Answer::failed(failure)),
                Err(later) => {
                    let resumed = later.add_callback(move |child| -> Deferred<Response> {
                        match enter(parent, child, is_at_slash, request) {
                            ControlFlow::Continue((child, request)) => walk(child, request),
                            ControlFlow::Break(answer) => answer,
                        }
                        .into()
                    });
                    return ControlFlow::Break(Answer::later(resumed));
                }
            },
        };
    }
}

impl fmt::Debug for ResourceTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceTree").finish_non_exhaustive()
    }
}
