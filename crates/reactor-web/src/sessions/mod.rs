//! Sessions: values that belong to a browser, from one request to the next.
//!
//! [`Sessions`] is middleware. Handlers get the [`Session`] by
//! [`Request::session`](crate::Request::session); a [`SessionStore`] keeps its values between
//! requests: in memory ([`MemoryStore`]), in the cookie itself ([`CookieStore`]), or a store of
//! your own, such as a database.
//!
//! ```
//! use reactor_web::sessions::Sessions;
//! use reactor_web::{App, Request, testing::TestClient};
//!
//! fn count(req: &Request) -> deferred::Result<String> {
//!     let session = req.session()?;
//!     let visits = session.get("visits")?.unwrap_or(0) + 1;
//!     session.insert("visits", visits)?;
//!     Ok(format!("visit {visits}"))
//! }
//!
//! let app = App::new().get("/", |req| count(&req)).wrap(Sessions::in_memory());
//! let client = TestClient::new(app)?;
//! let first = client.get("/");
//! assert_eq!(first.text(), "visit 1");
//! let cookie = first.header("set-cookie").unwrap().split(';').next().unwrap();
//! assert_eq!(client.get_with("/", &[("cookie", cookie)]).text(), "visit 2");
//! assert_eq!(client.get("/").text(), "visit 1");
//! # Ok::<(), deferred::Failure>(())
//! ```
//!
//! [`Csrf`] keeps pages of other sites from sending forms in the name of a user. [`sign_cookie`]
//! and [`encrypt_cookie`] make cookies that clients cannot change, or not even read.

mod cookie_store;
mod csrf;
mod memory;
mod middleware;
mod multipart_field;
mod secret_cookies;
mod session;
mod store;

pub use self::cookie_store::CookieStore;
pub use self::csrf::Csrf;
pub use self::memory::MemoryStore;
pub use self::middleware::Sessions;
pub use self::secret_cookies::{encrypt_cookie, sign_cookie};
pub use self::session::Session;
pub use self::store::{SessionData, SessionStore};
