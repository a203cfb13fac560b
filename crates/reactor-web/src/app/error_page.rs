//! `ErrorPages`: what a client sees of an error.

use std::fmt::Write as _;

use deferred::{Failure, Result};
use http::StatusCode;

use crate::error::HttpError;
use crate::html::escape_html;
use crate::request::FailurePages;
use crate::response::{Html, Response};

/// Turns failures into answers.
///
/// An [`HttpError`] in the chain of causes decides about the status and what the page says. Any
/// other failure is the fault of the program: its story (the `Debug` text: the error, where it was
/// raised, and the stages that it passed) goes to the log, and the page says nothing of it, unless
/// [`App::debug`](crate::App::debug) is on.
#[derive(Default)]
pub(crate) struct ErrorPages {
    shows_failures: bool,
    page: Option<Box<OwnPage>>,
}

/// [`App::error_page`](crate::App::error_page).
type OwnPage = dyn Fn(&HttpError) -> Result<Response>;

impl ErrorPages {
    pub(super) fn set_debug(&mut self, shows_failures: bool) {
        self.shows_failures = shows_failures;
    }

    pub(super) fn set_page(&mut self, page: Box<OwnPage>) {
        self.page = Some(page);
    }
}

impl FailurePages for ErrorPages {
    fn answer(&self, failure: Failure, request: &dyn Fn() -> String) -> Response {
        // Cloned, since the failure itself goes to the log.
        let known = failure.check::<HttpError>().cloned();
        let is_ours = known.is_none();
        let error = known.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into());
        let story = (is_ours && self.shows_failures).then(|| format!("{failure:?}"));
        if is_ours {
            log(failure.context(request()));
        } else if error.status().is_server_error() {
            // The handler has chosen this status, so no story is logged. Errors of clients (4xx)
            // are not logged at all.
            tracing::warn!(target: "reactor_web", request = request(), %error, "a request has failed");
        }
        let own = match &self.page {
            // In development, the story is worth more than the page of the app.
            Some(own) if story.is_none() => own_page(own, &error),
            _ => None,
        };
        let mut response = own.unwrap_or_else(|| page(&error, story.as_deref()));
        for (name, value) in error.headers() {
            // Also to the app's own page: `Allow` and `WWW-Authenticate` belong to the status.
            response.headers_mut().append(name, value.clone());
        }
        response
    }
}

/// Writes the story of a failure to the log; to standard error, if the program has none.
fn log(failure: Failure) {
    deferred::fail::<()>(failure).log_error().ignore();
}

/// The page of the app for an error; `None` if the page fails; that failure goes to the log.
fn own_page(own: &OwnPage, error: &HttpError) -> Option<Response> {
    match Failure::catch(|| own(error)) {
        Ok(Ok(mut response)) => {
            // A page that has left its status at 200 gets the status of the error.
            if response.status() == StatusCode::OK {
                *response.status_mut() = error.status();
            }
            Some(response)
        }
        Ok(Err(failure)) | Err(failure) => {
            log(failure.context("the app's error page"));
            None
        }
    }
}

/// A page for an error, with the story of the failure if it is to be shown.
fn page(error: &HttpError, story: Option<&str>) -> Response {
    let status = error.status();
    let mut html = format!("<!doctype html>\n<title>{status}</title>\n<h1>{status}</h1>\n");
    if Some(error.message()) != status.canonical_reason() {
        let message = escape_html(error.message());
        // Writing to a string does not fail.
        let _ = writeln!(html, "<p>{message}</p>");
    }
    if let Some(story) = story {
        let _ = writeln!(html, "<pre>{}</pre>", escape_html(story));
    }
    let mut response = Html(html).response();
    *response.status_mut() = status;
    response
}
