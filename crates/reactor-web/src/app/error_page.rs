//! `ErrorPages`: what a client gets to see of an error.

use std::fmt::Write as _;

use deferred::{Failure, Result};
use http::{HeaderValue, StatusCode, header};

use crate::body::Body;
use crate::error::HttpError;
use crate::response::Response;

/// Makes answers of failures.
///
/// An [`HttpError`] in the chain of causes decides about the status and what the page says. Any
/// other failure is the fault of the program: its story goes to the log, and the page says
/// nothing of it, unless the app is debugged.
#[derive(Default)]
pub(crate) struct ErrorPages {
    shows_failures: bool,
    page: Option<Box<dyn Fn(&HttpError) -> Result<Response>>>,
}

impl ErrorPages {
    pub(super) fn set_debug(&mut self, shows_failures: bool) {
        self.shows_failures = shows_failures;
    }

    pub(super) fn set_page(&mut self, page: Box<dyn Fn(&HttpError) -> Result<Response>>) {
        self.page = Some(page);
    }

    /// The answer to a request that has failed; `request` says which one it was.
    pub(crate) fn answer(&self, failure: Failure, request: impl FnOnce() -> String) -> Response {
        let error = match failure.check::<HttpError>() {
            Some(error) => error.clone(),
            None => HttpError::new(StatusCode::INTERNAL_SERVER_ERROR),
        };
        let is_ours = failure.check::<HttpError>().is_none();
        let story = (is_ours && self.shows_failures).then(|| format!("{failure:?}"));
        if is_ours {
            log(failure.context(request()));
        } else if error.status().is_server_error() {
            tracing::warn!(target: "reactor_web", request = request(), %error, "a request has failed");
        }
        let mut response = match (&story, &self.page) {
            (Some(story), _) => page(&error, Some(story)),
            (None, Some(custom)) => match Failure::catch(|| custom(&error)) {
                Ok(Ok(mut response)) => {
                    if response.status() == StatusCode::OK {
                        *response.status_mut() = error.status();
                    }
                    response
                }
                Ok(Err(failure)) | Err(failure) => {
                    log(failure.context("the app's error page"));
                    page(&error, None)
                }
            },
            (None, None) => page(&error, None),
        };
        for (name, value) in error.headers() {
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

/// Writes the story of a failure to the log; to standard error, if the program has none.
fn log(failure: Failure) {
    deferred::fail::<()>(failure).log_error().ignore();
}

/// A page for an error, with the story of the failure if it is to be shown.
fn page(error: &HttpError, story: Option<&str>) -> Response {
    let status = error.status();
    let mut html = format!("<!doctype html>\n<title>{status}</title>\n<h1>{status}</h1>\n");
    if Some(error.message()) != status.canonical_reason() {
        let message = escape(error.message());
        // Writing to a string does not fail.
        let _ = writeln!(html, "<p>{message}</p>");
    }
    if let Some(story) = story {
        let _ = writeln!(html, "<pre>{}</pre>", escape(story));
    }
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// `text` in HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
