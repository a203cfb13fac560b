//! `Redirect`: an answer that sends the client to another address.

use deferred::Result;
use http::{HeaderValue, StatusCode, header};

use super::{IntoResponse, Response};
use crate::body::Body;

/// Sends the client to another address.
///
/// # Examples
///
/// ```
/// use reactor_web::{App, Redirect, testing::TestClient};
///
/// let app = App::new().get("/old", |_| Redirect::permanent("/new"));
/// let answer = TestClient::new(app)?.get("/old");
/// assert_eq!(answer.status(), 308);
/// assert_eq!(answer.header("location"), Some("/new"));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    /// 303: the client asks for `location` with `GET`, whatever its method was. Usual after a form
    /// was processed.
    #[doc(alias = "redirectTo")]
    pub fn see_other(location: impl Into<String>) -> Self {
        Self::with(StatusCode::SEE_OTHER, location)
    }

    /// 307: the client sends the same request to `location`, only this time.
    pub fn temporary(location: impl Into<String>) -> Self {
        Self::with(StatusCode::TEMPORARY_REDIRECT, location)
    }

    /// 308: the client sends the same request to `location`, now and in the future.
    pub fn permanent(location: impl Into<String>) -> Self {
        Self::with(StatusCode::PERMANENT_REDIRECT, location)
    }

    fn with(status: StatusCode, location: impl Into<String>) -> Self {
        let location = location.into();
        Self { status, location }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Result<Response> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        // A line break in the location is an error here, so it cannot begin a second header.
        let location = HeaderValue::try_from(self.location)?;
        response.headers_mut().insert(header::LOCATION, location);
        Ok(response)
    }
}
