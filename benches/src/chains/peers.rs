//! What the chains are held against: a queue of boxes driven by hand, and
//! boxed futures.

use std::error::Error;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{LocalBoxFuture, ready};
use futures::task::noop_waker_ref;
use smallvec::SmallVec;

use super::payload::{Inner, Number, Payload, Refused};

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;
type Queue<R> = SmallVec<[Box<dyn FnOnce(R) -> R>; 4]>;

fn drive<R>(queue: Queue<R>, start: R) {
    let result = queue.into_iter().fold(start, |result, step| step(result));
    black_box(result);
}

/// The reference: the least that boxes can do and carry failures.
#[inline(always)]
pub(super) fn boxed<P: Payload>(n: usize) {
    let mut queue = Queue::<Fallible<P::Value>>::new();
    for index in 0..n {
        let step = P::step(index);
        queue.push(Box::new(move |result| result.map(step)));
    }
    drive(queue, Ok(P::start()));
}

/// The same without failures.
#[inline(always)]
pub(super) fn boxed_plain<P: Payload>(n: usize) {
    let mut queue = Queue::<P::Value>::new();
    for index in 0..n {
        queue.push(Box::new(P::step(index)));
    }
    drive(queue, P::start());
}

/// The steps called one after the other.
#[inline(always)]
pub(super) fn called<P: Payload>(n: usize) {
    let mut value = P::start();
    for index in 0..n {
        value = P::step(index)(value);
    }
    black_box(value);
}

/// As [`super::ours::failure`], with the reference's queue.
#[inline(always)]
pub(super) fn boxed_failure(n: usize) {
    let mut queue = Queue::<Fallible<i64>>::new();
    for index in 1..n {
        let step = Number::step(index);
        queue.push(Box::new(move |result| result.map(step)));
    }
    let instead = black_box((7, 8, 9));
    queue.push(Box::new(move |result| {
        result.or_else(|_error| Ok(instead.0 + instead.1 + instead.2))
    }));
    drive(queue, Err(Box::new(black_box(Refused(1)))));
}

/// A boxed `map` per callback on a oneshot; polled before and after it is sent
/// to, as by an executor that never runs anything else.
#[inline(always)]
pub(super) fn mapped<P: Payload>(n: usize) {
    let (sender, receiver) = oneshot::channel::<P::Value>();
    let mut future = received(receiver);
    for index in 0..n {
        let step = P::step(index);
        future = future.map(move |result| result.map(step)).boxed_local();
    }
    poll_pending(&mut future);
    let _ = sender.send(P::start());
    poll_ready(future);
}

/// As [`super::ours::failure`], with boxed futures.
#[inline(always)]
pub(super) fn mapped_failure(n: usize) {
    let (sender, receiver) = oneshot::channel::<Fallible<i64>>();
    let mut future: LocalBoxFuture<'static, Fallible<i64>> = receiver
        .map(|received| received.unwrap_or_else(|canceled| Err(canceled.into())))
        .boxed_local();
    for index in 1..n {
        let step = Number::step(index);
        future = future.map(move |result| result.map(step)).boxed_local();
    }
    let instead = black_box((7, 8, 9));
    future = future
        .map(move |result| result.or_else(|_error| Ok(instead.0 + instead.1 + instead.2)))
        .boxed_local();
    poll_pending(&mut future);
    let _ = sender.send(Err(Box::new(black_box(Refused(1)))));
    poll_ready(future);
}

/// As [`super::ours::nested`], with boxed futures.
#[inline(always)]
pub(super) fn mapped_nested(n: usize, inner: Inner) {
    let (sender, receiver) = oneshot::channel::<i64>();
    let (inner_sender, inner_future) = match inner {
        Inner::Ready => (None, ready(Ok(black_box(2))).boxed_local()),
        Inner::Fired => {
            let (sender, receiver) = oneshot::channel();
            let _ = sender.send(black_box(2));
            (None, received(receiver))
        }
        Inner::Pending => {
            let (sender, receiver) = oneshot::channel();
            (Some(sender), received(receiver))
        }
    };
    let mut inner_future = Some(inner_future);
    let mut future = received(receiver);
    for index in 0..n {
        future = match inner_future.take_if(|_| index == 1.min(n - 1)) {
            Some(inner) => future.then(move |_result| inner).boxed_local(),
            None => {
                let step = Number::step(index);
                future.map(move |result| result.map(step)).boxed_local()
            }
        };
    }
    poll_pending(&mut future);
    let _ = sender.send(Number::start());
    if let Some(inner_sender) = inner_sender {
        poll_pending(&mut future);
        let _ = inner_sender.send(black_box(2));
    }
    poll_ready(future);
}

fn received<T: 'static>(receiver: oneshot::Receiver<T>) -> LocalBoxFuture<'static, Fallible<T>> {
    receiver
        .map(|received| received.map_err(Into::into))
        .boxed_local()
}

fn poll_once<T>(future: &mut LocalBoxFuture<'static, T>) -> Poll<T> {
    let future: Pin<&mut _> = future.as_mut();
    future.poll(&mut Context::from_waker(noop_waker_ref()))
}

fn poll_pending<T>(future: &mut LocalBoxFuture<'static, T>) {
    assert!(poll_once(future).is_pending(), "nothing was sent yet");
}

fn poll_ready<T>(mut future: LocalBoxFuture<'static, T>) {
    let polled = black_box(poll_once(&mut future));
    assert!(polled.is_ready(), "all was sent");
}
