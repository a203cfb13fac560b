//! The answer to a request for a file. All of it is made in another thread, since looking up a file
//! may wait for a disk.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use bytes::Bytes;
use deferred::Result;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reactor::ReactorHandle;

use super::options::Options;
use super::path::Target;
use super::piece::Piece;
use super::ranges::{self, Parts, Selection};
use super::stream::{self, CHUNK, FileBody};
use super::validators::{Conditions, Validators, Verdict};
use super::{listing, root};
use crate::body::Body;
use crate::error::HttpError;
use crate::negotiation::{Accepted, Coding};
use crate::response::Response;

/// The headers of a request that the answer depends on, for the thread that opens the file: a
/// `Request` cannot leave its own thread.
pub(super) struct Inquiry {
    pub(super) conditions: Conditions,
    pub(super) accepted: Accepted,
    /// `HEAD`: nothing is read.
    pub(super) is_head: bool,
}

/// The result of the search for a file.
pub(super) enum Found {
    Answer(Head, Content),
    /// A folder was asked for without a slash at the end.
    FolderWithoutSlash,
}

/// The head of an answer.
pub(super) struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

/// The body of an answer.
pub(super) enum Content {
    Nothing,
    Bytes(Bytes),
    Pieces(File, Vec<Piece>),
}

/// A file to be sent.
struct Chosen {
    file: File,
    metadata: Metadata,
    coding: Option<Coding>,
}

impl Found {
    /// The answer, for the loop; `None` for a folder without its slash.
    pub(super) fn into_response(self, reactor: &ReactorHandle) -> Option<Response> {
        let Self::Answer(head, content) = self else {
            return None;
        };
        let mut response = Response::new(match content {
            Content::Nothing => Body::empty(),
            Content::Bytes(bytes) => bytes.into(),
            Content::Pieces(file, pieces) => Body::boxed(FileBody::new(reactor, file, pieces)),
        });
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        Some(response)
    }
}

/// The answer for `target` in the folder of `options`; `path` is that of the request.
pub(super) fn find(
    options: &Options,
    target: &Target,
    path: &str,
    inquiry: &Inquiry,
) -> Result<Found> {
    // Opened first, and its metadata read from the descriptor, so that the file checked is the file
    // sent.
    let (file, metadata) = open(options, &target.path)?;
    // `/page.html/` does not name the file: relative links in the page would be resolved below it.
    if metadata.is_file() && !target.has_slash {
        return send(options, &target.path, file, metadata, inquiry);
    }
    if !metadata.is_dir() {
        return Err(HttpError::not_found().into());
    }
    if !target.has_slash {
        return Ok(Found::FolderWithoutSlash);
    }
    for name in &options.index {
        let index = target.path.join(name);
        match open(options, &index) {
            Ok((file, metadata)) if metadata.is_file() => {
                return send(options, &index, file, metadata, inquiry);
            }
            // If an index may not be read, the answer is a 403; the next index is not tried.
            Err(failure) if !is_not_found(&failure) => return Err(failure),
            Ok(_) | Err(_) => {}
        }
    }
    if !options.lists {
        return Err(HttpError::not_found().into());
    }
    let page = listing::page(&file, path, options.shows_hidden)?;
    let mut head = Head::ok();
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    head.headers.insert(header::CONTENT_TYPE, html);
    let content = if inquiry.is_head {
        // The page is made for HEAD, too, since its length is not known before.
        head.promise(page.len() as u64);
        Content::Nothing
    } else {
        Content::Bytes(page.into())
    };
    Ok(Found::Answer(head, content))
}

/// The answer with the file at `path`, wherever that is.
pub(super) fn find_one(path: &Path, inquiry: &Inquiry) -> Result<Found> {
    let file = root::open_anywhere(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!("{} is no file", path.display())).into());
    }
    // By the default options, no encoded file beside it is looked for: the handler has named this
    // very file.
    send(&Options::default(), path, file, metadata, inquiry)
}

/// Opens what is at `path` in the folder.
fn open(options: &Options, path: &Path) -> Result<(File, Metadata)> {
    use io::ErrorKind::{
        CrossesDevices, InvalidFilename, NotADirectory, NotFound, PermissionDenied,
    };
    // A path that leads out of the folder gets a 404, as a file that does not exist does.
    let opened = root::open(&options.folder, path);
    match opened.and_then(|file| Ok((file.metadata()?, file))) {
        Ok((metadata, file)) => Ok((file, metadata)),
        Err(error) => Err(match error.kind() {
            NotFound | NotADirectory | InvalidFilename => HttpError::not_found().into(),
            // The error of `openat2` for a path that leads out of the folder.
            CrossesDevices => HttpError::not_found().into(),
            PermissionDenied => HttpError::forbidden().into(),
            _ if is_loop_or_socket(&error) => HttpError::not_found().into(),
            _ => error.into(),
        }),
    }
}

/// Whether the path leads to no file: symbolic links go round in a circle (`ELOOP`), or it names a
/// socket (`ENXIO`).
fn is_loop_or_socket(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::LOOP | Errno::NXIO))
}

fn is_not_found(failure: &deferred::Failure) -> bool {
    let error = failure.check::<HttpError>();
    error.is_some_and(|error| error.status() == StatusCode::NOT_FOUND)
}

/// The answer with a file.
fn send(
    options: &Options,
    path: &Path,
    file: File,
    metadata: Metadata,
    inquiry: &Inquiry,
) -> Result<Found> {
    let chosen = choose(options, path, file, metadata, inquiry.accepted);
    let (length, conditions) = (chosen.metadata.len(), &inquiry.conditions);
    // The validators of the file that is sent: each coding has a tag of its own (RFC 9110,
    // 8.8.3.3).
    let validators = Validators::new(&chosen.metadata, chosen.coding.map(Coding::name));
    let mut head = Head::ok();
    // The headers that are set before the conditions are checked go into a 304, too (RFC 9110,
    // 15.4.5).
    validators.write(&mut head.headers);
    if let Some(value) = &options.cache_control {
        head.headers.insert(header::CACHE_CONTROL, value.clone());
    }
    // Set even if the plain file is sent, so that a cache asks again for a client that accepts a
    // coding.
    if options.has_precompressed {
        let value = HeaderValue::from_static("accept-encoding");
        head.headers.insert(header::VARY, value);
    }
    match conditions.judge(&validators) {
        Verdict::Send => {}
        Verdict::NotModified => {
            head.status = StatusCode::NOT_MODIFIED;
            return Ok(Found::Answer(head, Content::Nothing));
        }
        Verdict::PreconditionFailed => {
            return Err(HttpError::new(StatusCode::PRECONDITION_FAILED).into());
        }
    }
    let kind = options.content_type(path);
    let bytes = HeaderValue::from_static("bytes");
    head.headers.insert(header::ACCEPT_RANGES, bytes);
    head.headers.insert(header::CONTENT_TYPE, kind.clone());
    if let Some(coding) = chosen.coding {
        let name = HeaderValue::from_static(coding.name());
        head.headers.insert(header::CONTENT_ENCODING, name);
    }
    // If `If-Range` names another version of the file, the range is ignored, and the whole file is
    // sent (RFC 9110, 13.1.5).
    let range = conditions
        .range
        .as_ref()
        .filter(|_| validators.allow_range(conditions));
    let pieces = match Selection::of(range, length) {
        Selection::Whole if length == 0 => Vec::new(),
        Selection::Whole => vec![Piece::File(0, length)],
        Selection::Unsatisfiable => {
            let error = HttpError::new(StatusCode::RANGE_NOT_SATISFIABLE);
            // RFC 9110, 15.5.17.
            let value = HeaderValue::try_from(format!("bytes */{length}"))?;
            return Err(error.with_header(header::CONTENT_RANGE, value).into());
        }
        Selection::Ranges(ranges) => head.select(&ranges, &kind, length)?,
    };
    if inquiry.is_head {
        head.promise(length);
        return Ok(Found::Answer(head, Content::Nothing));
    }
    Ok(Found::Answer(head, begin(chosen.file, pieces)?))
}

/// The file to be sent for the one at `path`: an encoded one beside it, if the client accepts its
/// coding.
///
/// An encoded file that is older than the plain one is not used: it was made from an earlier
/// version.
fn choose(
    options: &Options,
    path: &Path,
    file: File,
    metadata: Metadata,
    accepted: Accepted,
) -> Chosen {
    let codings = options.has_precompressed.then(|| accepted.best());
    for coding in codings.into_iter().flatten() {
        let Some(name) = path.file_name() else {
            break;
        };
        let mut name = name.to_owned();
        name.push(match coding {
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        });
        if let Ok((encoded, its)) = open(options, &path.with_file_name(name))
            && its.is_file()
            && its.modified().ok() >= metadata.modified().ok()
        {
            return Chosen {
                file: encoded,
                metadata: its,
                coding: Some(coding),
            };
        }
    }
    Chosen {
        file,
        metadata,
        coding: None,
    }
}

/// The body of these pieces. A single piece of at most one chunk is read whole; of a longer one,
/// the first chunk is read now, as this runs in a thread that may block, and the rest while it is
/// sent.
fn begin(file: File, pieces: Vec<Piece>) -> Result<Content> {
    let mut pieces = pieces;
    match pieces[..] {
        [] => return Ok(Content::Nothing),
        // At most `CHUNK`, so the cast loses nothing.
        [Piece::File(offset, length)] if length <= CHUNK as u64 => {
            return Ok(Content::Bytes(stream::read(
                &file,
                offset,
                length as usize,
            )?));
        }
        [Piece::File(offset, length)] => {
            // Read in the thread that has looked the file up: this saves a second hand-over to a
            // thread before the answer begins.
            let first = stream::read(&file, offset, CHUNK)?;
            let read = first.len() as u64;
            pieces[0] = Piece::File(offset + read, length - read);
            pieces.insert(0, Piece::Bytes(first));
        }
        _ => {}
    }
    Ok(Content::Pieces(file, pieces))
}

impl Head {
    fn ok() -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
        }
    }

    /// Sets `Content-Length` for a body that is not sent, in the answer to `HEAD`.
    fn promise(&mut self, length: u64) {
        self.headers.insert(header::CONTENT_LENGTH, length.into());
    }

    /// Makes this the head of a 206 with these ranges; returns the pieces of its body.
    fn select(
        &mut self,
        ranges: &[std::ops::RangeInclusive<u64>],
        kind: &HeaderValue,
        length: u64,
    ) -> Result<Vec<Piece>> {
        self.status = StatusCode::PARTIAL_CONTENT;
        // A single range is not sent as multipart (RFC 9110, 15.3.7.1).
        if let [range] = ranges {
            let value = HeaderValue::try_from(ranges::content_range(range, length))?;
            self.headers.insert(header::CONTENT_RANGE, value);
            return Ok(vec![Piece::of(range)]);
        }
        let parts = Parts::new(ranges, kind, length);
        let kind = HeaderValue::try_from(parts.kind)?;
        self.headers.insert(header::CONTENT_TYPE, kind);
        Ok(parts.pieces)
    }
}
