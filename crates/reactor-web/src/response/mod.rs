//! Answers: what a handler can return, and how it becomes a response.

mod answer;
mod into_response;
mod redirect;

pub use self::answer::{
    Answer, ByAnswer, ByFallibleAnswer, ByFallibleFuture, ByFuture, ByValue, Reply,
};
#[cfg(feature = "json")]
pub use self::into_response::Json;
pub use self::into_response::{Html, IntoResponse};
pub use self::redirect::Redirect;
use crate::body::Body;

/// An answer, with a body of this crate.
///
/// # Examples
///
/// ```
/// use http::StatusCode;
/// use reactor_web::{Body, Response};
///
/// let mut response = Response::new(Body::from("made"));
/// *response.status_mut() = StatusCode::CREATED;
/// ```
pub type Response = http::Response<Body>;
