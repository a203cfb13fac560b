//! `Files`: a folder of files, as answers; and one file as the answer of a handler.

mod answer;
mod listing;
mod options;
mod path;
mod piece;
mod ranges;
mod root;
mod stream;
mod validators;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use deferred::{Deferred, Failure, Result};
use http::{HeaderValue, Method, StatusCode, header};

use self::answer::Inquiry;
use self::options::Options;
use self::path::Target;
use self::validators::Conditions;
use crate::error::HttpError;
use crate::handler::Handler;
use crate::negotiation::Accepted;
use crate::request::Request;
use crate::response::{Answer, IntoResponse, Redirect, Response};

/// Value of `Allow`: the methods for files.
const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The files of a folder, as answers: to be [mounted](crate::App::mount).
///
/// - **`GET` and `HEAD`**, with a type by the extension (text is UTF-8), `ETag` and
///   `Last-Modified`. Conditional requests (`If-None-Match` and the others) are answered with 304
///   or 412 as their conditions require, and `Range` with one range or several.
/// - **A folder** is answered with its `index.html`; without one, with 404, or a list of its files
///   if [`listing`](Self::listing) is on. If its path has no slash at the end, the answer is a
///   redirect, 308.
/// - **Nothing outside of the folder** is opened, in whatever way a path is spelled. A symbolic
///   link is followed if it leads to a place inside; on Linux, only if its target is relative. On
///   systems without `openat2` (Linux before 5.6 too), a process that may write to the folder can
///   trick this check, by putting a link in the place of a folder at the right moment.
/// - **Hidden files**, whose names begin with a dot, are answered with 404, unless
///   [`hidden`](Self::hidden) is on. `.well-known` is not hidden.
/// - **Reading happens in other threads**, those of
///   [`defer_to_thread`](reactor::ReactorHandle::defer_to_thread). Up to 128 KiB are read at once;
///   of a longer file, the next chunk is read while the client takes one.
/// - **If a file becomes shorter** while it is sent, the connection is closed, so that the client
///   knows that the file is incomplete. Replace files by renaming: then a request under way gets
///   all of the old one.
///
/// # Examples
///
/// ```
/// use reactor_web::testing::TestClient;
/// use reactor_web::{App, Files};
///
/// let app = App::new().get("/api", |_| "{}").mount("/", Files::new("src").listing(true));
/// let client = TestClient::new(app)?;
/// let answer = client.get("/lib.rs");
/// assert_eq!(answer.header("content-type"), Some("text/x-rust; charset=utf-8"));
/// assert_eq!(answer.header("accept-ranges"), Some("bytes"));
/// assert!(client.get("/").text().contains("lib.rs"));
/// assert_eq!(client.get("/../Cargo.toml").status(), 404);
///
/// let tag = answer.header("etag").unwrap();
/// assert_eq!(client.get_with("/lib.rs", &[("if-none-match", tag)]).status(), 304);
/// let end = client.get_with("/lib.rs", &[("range", "bytes=-10")]);
/// assert_eq!((end.status().as_u16(), end.bytes().len()), (206, 10));
/// # Ok::<(), deferred::Failure>(())
/// ```
#[doc(alias = "File", alias = "ServeDir", alias = "static")]
#[must_use = "it does nothing until it is mounted"]
pub struct Files {
    options: Arc<Options>,
}

impl Files {
    /// The files in `folder`, which must exist when the app is served. The path is resolved again
    /// for each request, so `folder` may be a symbolic link that changes while the server runs.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            options: Arc::new(Options {
                folder: folder.into(),
                ..Options::default()
            }),
        }
    }

    /// Sets the names of index files: a folder is answered with the first of them that it has. Only
    /// `index.html` unless this is called.
    #[doc(alias = "indexNames")]
    pub fn index<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        self.set(|options| options.index = names.into_iter().map(Into::into).collect())
    }

    /// Whether a folder without an index is answered with a list of its files, of 10,000 at most.
    #[doc(alias = "directoryListing")]
    pub fn listing(self, lists: bool) -> Self {
        self.set(|options| options.lists = lists)
    }

    /// Whether names that begin with a dot are served, and listed.
    pub fn hidden(self, shows_hidden: bool) -> Self {
        self.set(|options| options.shows_hidden = shows_hidden)
    }

    /// Whether `app.js.br`, `app.js.zst` or `app.js.gz` is sent for `app.js` to a client that takes
    /// that coding. An encoded file that is older than `app.js` is not used.
    pub fn precompressed(self, is_used: bool) -> Self {
        self.set(|options| options.has_precompressed = is_used)
    }

    /// Sets the type of files with this extension (without its dot).
    ///
    /// # Panics
    ///
    /// `kind` cannot stand in a header.
    #[doc(alias = "contentTypes")]
    #[track_caller]
    pub fn content_type(self, extension: &str, kind: &str) -> Self {
        let kind = header_value(kind);
        self.set(|options| {
            options.types.insert(extension.to_ascii_lowercase(), kind);
        })
    }

    /// Sets the value of `Cache-Control`, such as `max-age=3600`. Without it, browsers guess how
    /// long a file stays unchanged.
    ///
    /// # Panics
    ///
    /// `value` cannot stand in a header.
    #[track_caller]
    pub fn cache_control(self, value: &str) -> Self {
        let value = header_value(value);
        self.set(|options| options.cache_control = Some(value))
    }

    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        // Does not copy: the `Arc` is shared only while requests are served, which is later.
        change(Arc::make_mut(&mut self.options));
        self
    }

    /// Finds the answer in another thread.
    fn find(&self, request: &Request) -> Deferred<Response> {
        // Checked before a thread is used: a path that can name no file costs none.
        let Some(target) = Target::of(request.rest(), self.options.shows_hidden) else {
            return deferred::fail(HttpError::not_found());
        };
        let (reactor, uri) = (request.reactor().clone(), request.uri().clone());
        let (options, inquiry) = (Arc::clone(&self.options), Inquiry::of(request));
        // Only the title of a list needs it.
        let path = if options.lists {
            uri.path().to_owned()
        } else {
            String::new()
        };
        let job = move || answer::find(&options, &target, &path, &inquiry);
        request
            .reactor()
            .defer_to_thread(job)
            .add_callback(move |found| {
                found.into_response(&reactor).map_or_else(
                    || {
                        let query = uri
                            .query()
                            .map_or(String::new(), |query| format!("?{query}"));
                        // The location begins with exactly one slash, and so names no other host,
                        // since `Target` refuses an empty segment.
                        Redirect::permanent(format!("{}/{query}", uri.path())).into_response()
                    },
                    Ok,
                )
            })
    }
}

/// A value of a header that the program has written.
#[track_caller]
fn header_value(value: &str) -> HeaderValue {
    match HeaderValue::from_str(value) {
        Ok(value) => value,
        Err(error) => panic!("{value:?} cannot stand in a header: {error}"),
    }
}

impl Inquiry {
    fn of(request: &Request) -> Self {
        Self {
            conditions: Conditions::of(request.method(), request.headers()),
            accepted: Accepted::of(request.headers()),
            is_head: *request.method() == Method::HEAD,
        }
    }
}

impl Handler for Files {
    fn handle(&self, request: Request) -> Answer {
        match *request.method() {
            Method::GET | Method::HEAD => Answer::later(self.find(&request)),
            Method::OPTIONS => Answer::now(([(header::ALLOW, ALLOW)], ())),
            _ => Answer::failed(
                HttpError::new(StatusCode::METHOD_NOT_ALLOWED).with_header(header::ALLOW, ALLOW),
            ),
        }
    }

    fn prepare(&self) -> Result<()> {
        let folder = &self.options.folder;
        // Blocks the loop, but only once, before the app is served.
        let is_folder = folder.metadata().map(|metadata| metadata.is_dir());
        match is_folder {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::msg(format!("{} is no folder", folder.display()))),
            Err(error) => {
                Err(Failure::new(error).context(format!("the files of {}", folder.display())))
            }
        }
    }
}

impl Request {
    /// The file at `path` as the answer, as [`Files`] would send it: with type, validators and
    /// ranges, or with a 304 if the client has it already. Headers can be added to the response.
    ///
    /// The file is opened wherever it is. For paths that a request has named, use [`Files`].
    ///
    /// # Errors
    ///
    /// The file cannot be read (an `io::Error`, so a 500). 412 or 416, if the conditions or the
    /// range of the request cannot be met.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::HeaderValue;
    /// use reactor_web::{App, testing::TestClient};
    ///
    /// let app = App::new().get("/manifest", |req| {
    ///     req.send_file("Cargo.toml").add_callback(|mut response| {
    ///         let name = HeaderValue::from_static("attachment; filename=manifest.toml");
    ///         response.headers_mut().insert("content-disposition", name);
    ///         Ok(response)
    ///     })
    /// });
    /// let answer = TestClient::new(app)?.get("/manifest");
    /// assert!(answer.text().starts_with("[package]"));
    /// # Ok::<(), deferred::Failure>(())
    /// ```
    #[doc(alias = "FileResponse", alias = "NamedFile")]
    pub fn send_file(&self, path: impl Into<PathBuf>) -> Deferred<Response> {
        let (path, inquiry) = (path.into(), Inquiry::of(self));
        let reactor = self.reactor().clone();
        let job = move || answer::find_one(&path, &inquiry);
        self.reactor()
            .defer_to_thread(job)
            .add_callback(move |found| {
                // `None` does not occur here: it stands for a folder.
                found
                    .into_response(&reactor)
                    .ok_or_else(|| HttpError::not_found().into())
            })
    }
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("folder", &self.options.folder)
            .finish_non_exhaustive()
    }
}
