//! `Observed`: route, user and id of a request, for middleware that sees its answer.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;

use super::params::Route;

/// Route, user and id of a request, as they become known on its way to the handler: from
/// [`Request::observe`](crate::Request::observe).
///
/// # Examples
///
/// Middleware that counts the answers of each route:
///
/// ```
/// use reactor_web::{App, Next, Request, testing::TestClient};
/// use std::{cell::RefCell, collections::BTreeMap, rc::Rc};
///
/// let counts: Rc<RefCell<BTreeMap<String, u32>>> = Rc::default();
/// let counted = Rc::clone(&counts);
/// let items = App::new().get("/{id}", |_| "an item");
/// let app = App::new().mount("/items", items).wrap(move |mut req: Request, next: Next| {
///     let (observed, counts) = (req.observe(), Rc::clone(&counted));
///     next.respond(req).map_response(move |response| {
///         let route = observed.route().unwrap_or_default();
///         *counts.borrow_mut().entry(format!("{route} {}", response.status())).or_default() += 1;
///     })
/// });
/// let client = TestClient::new(app)?;
/// client.get("/items/1");
/// client.get("/items/2");
/// assert_eq!(counts.borrow()["/items/{id} 200 OK"], 2);
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Default)]
pub struct Observed {
    /// The routes found so far, that of the outermost app first.
    // The last one may be a mount, until the handler mounted there has found its route.
    routes: RefCell<Vec<Rc<Route>>>,
    user: OnceCell<String>,
    id: OnceCell<String>,
}

impl Observed {
    /// The pattern of the route, with those of the apps above: `/users/{id}`. `None` until a route
    /// is found.
    pub fn route(&self) -> Option<String> {
        let routes = self.routes.borrow();
        let (last, mounts) = routes.split_last()?;
        let mut route = String::new();
        for mount in mounts {
            route.push_str(mount.pattern.trim_end_matches('/'));
        }
        route.push_str(&last.pattern);
        Some(route)
    }

    /// [`Request::user`](crate::Request::user).
    pub fn user(&self) -> Option<&str> {
        self.user.get().map(String::as_str)
    }

    /// [`Request::id`](crate::Request::id).
    pub fn id(&self) -> Option<&str> {
        self.id.get().map(String::as_str)
    }

    pub(super) fn add_route(&self, route: &Rc<Route>) {
        let mut routes = self.routes.borrow_mut();
        // A route is added only below a mount: any other route is the last one.
        if routes.last().is_none_or(|above| above.is_mount) {
            routes.push(Rc::clone(route));
        }
    }

    pub(super) fn set_user(&self, user: String) {
        // Errs if there is a user already, who stays.
        let _ = self.user.set(user);
    }

    pub(crate) fn set_id(&self, id: String) {
        // As for the user.
        let _ = self.id.set(id);
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("route", &self.route())
            .field("user", &self.user())
            .field("id", &self.id())
            .finish()
    }
}
