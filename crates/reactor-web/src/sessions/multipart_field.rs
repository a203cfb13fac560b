//! The first field of a form with files, read before the handler reads the form.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use deferred::Result;
use futures_core::Stream;
use multer::{Constraints, Multipart, SizeLimit};
use send_wrapper::SendWrapper;

use crate::body::Body;
use crate::error::HttpError;
use crate::request::multipart_error;

/// Most bytes of the field: a longer one is not the field with the token.
const MAX_FIELD: u64 = 1024;

/// Most bytes that are read to find the field.
// The piece in which the field ends is read to its end, and may exceed this.
const MAX_READ: usize = 64 * 1024;

/// A body, and what was read of it.
struct Peeked {
    body: Body,
    read: Vec<Bytes>,
    length: usize,
}

/// Stream that reads a body and keeps what it has read, so that the body can be restored.
// `multer` owns its stream, so the body is shared with it, and taken back after it was dropped.
struct Peeking(Rc<RefCell<Peeked>>);

impl Stream for Peeking {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let mut peeked = self.0.borrow_mut();
        // Checked before the poll, so at most `MAX_READ` bytes and one piece are in memory.
        if peeked.length >= MAX_READ {
            let error = HttpError::bad_request("the first field of the form is too long");
            return Poll::Ready(Some(Err(error.into())));
        }
        let next = ready!(peeked.body.poll_next(cx));
        if let Some(Ok(bytes)) = &next {
            peeked.length += bytes.len();
            // Kept for the handler, whose form begins with these bytes. The clone shares the
            // memory.
            peeked.read.push(bytes.clone());
        }
        Poll::Ready(next)
    }
}

/// Returns the name and the text of the first field, and the body as if nothing was read of it.
pub(super) async fn first_field(
    body: Body,
    boundary: String,
) -> Result<(Option<(String, String)>, Body)> {
    let peeked = Rc::new(RefCell::new(Peeked {
        body,
        read: Vec::new(),
        length: 0,
    }));
    let stream = SendWrapper::new(Peeking(Rc::clone(&peeked)));
    let limits = Constraints::new().size_limit(SizeLimit::new().per_field(MAX_FIELD));
    let mut form = Multipart::with_constraints(stream, boundary, limits);
    let field = match form.next_field().await.map_err(multipart_error)? {
        // A file is not read here.
        Some(field) if field.file_name().is_none() => {
            let name = field.name().unwrap_or_default().to_owned();
            Some((name, field.text().await.map_err(multipart_error)?))
        }
        _ => None,
    };
    // Ends the parser, which holds a clone of `peeked`, and may be in the middle of a file.
    drop(form);
    let (read, body) = {
        let mut peeked = peeked.borrow_mut();
        (
            std::mem::take(&mut peeked.read),
            std::mem::take(&mut peeked.body),
        )
    };
    Ok((field, body.with_before(read)))
}
