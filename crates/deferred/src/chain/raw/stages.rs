//! Stages: the queue of a chain's callbacks, of any types.

use std::marker::PhantomData;
use std::panic::Location;
use std::ptr;

use super::buffer::Buffer;
use super::record::{Header, LINK_WORDS, LinkOf, Queued, QueuedAs, RunAt, RunsStages, next_buffer};
use super::word::Word;

/// Room in the core itself: for three stages whose closures capture two words each, or four
/// that capture one.
const ROOM_WORDS: usize = 12;

/// The first buffer of a queue, in the core it belongs to.
pub(super) type Room = [Word; ROOM_WORDS];

/// A queue of stages of any types, with the place each was added at.
///
/// Dropping it drops the stages in order, containing panics.
///
/// It is three pointers into buffers: adding a stage reads `tail` and `limit`, and running one
/// reads `head` and `tail`. The first buffer is the room of the core. A stage that does not fit
/// moves all records to a buffer on the heap; when that is full, another follows it, and a link
/// (a record like that of a stage) leads there.
///
/// A buffer on the heap stays when the queue is empty, and is used again.
pub(crate) struct Stages<C: RunsStages> {
    /// INVARIANT: from `head` on there are whole records (a `Header`, then its stage): up to
    /// `tail` in the last buffer, and up to a link in each buffer before. A link is the last
    /// record of its buffer, and a stage follows it in the next. No other pointer leads into
    /// the buffers.
    head: *mut Word,
    tail: *mut Word,
    /// End of the room for stages in the last buffer. A buffer on the heap has
    /// [`LINK_WORDS`] behind it.
    ///
    /// INVARIANT: the pointer has the tag [`ON_HEAP`] if the last buffer is on the heap. Then
    /// the end of that buffer holds the address of the first one, in which `head` is;
    /// buffers before that one are freed.
    limit: *mut Word,
    /// The stages in the queue are `Send` if the flavour is.
    queue_of: PhantomData<C>,
}

/// The tag of a limit on the heap: one bit, which [`words_between`] rounds away.
const ON_HEAP: usize = 1;

// SAFETY: what is queued fits the flavour (see `Stages::push`), so it is `Send` if the
// flavour is, and the queue owns its buffers.
unsafe impl<C: RunsStages> Send for Stages<C> where C::Flavour: Send {}

/// The first stage of a queue.
pub(super) struct First<C: RunsStages> {
    record: *mut Word,
    run: RunAt<C>,
    pub(super) added_at: &'static Location<'static>,
}

impl<C: RunsStages> First<C> {
    /// Takes it off the queue and runs it.
    ///
    /// # Safety
    /// It is the first of the queue of `core`; the caller has exclusive access to the stages and
    /// the slot of `core`.
    #[inline(always)]
    pub(super) unsafe fn run(self, core: &C) -> C::Flow {
        // SAFETY: by contract.
        unsafe { (self.run)(self.record, core) }
    }
}

impl<C: RunsStages> Stages<C> {
    /// Address of `head`, for [`RunsStages::head`].
    ///
    /// # Safety
    /// `stages` points to a queue.
    #[inline(always)]
    pub(super) unsafe fn head_of(stages: *mut Self) -> *mut *mut Word {
        // SAFETY: by contract.
        unsafe { &raw mut (*stages).head }
    }

    /// An empty queue without a room.
    pub(crate) const fn new() -> Self {
        Self {
            head: ptr::dangling_mut(),
            tail: ptr::dangling_mut(),
            limit: ptr::dangling_mut(),
            queue_of: PhantomData,
        }
    }

    /// An empty queue with `room` to begin with.
    ///
    /// # Safety
    /// `room` is valid for reads and writes, and nothing else uses it, for as long as the
    /// queue has records in it.
    #[inline(always)]
    pub(super) unsafe fn with_room(room: *mut Room) -> Self {
        let start = room.cast::<Word>();
        Self {
            head: start,
            tail: start,
            // SAFETY: the end of the room.
            limit: unsafe { start.add(ROOM_WORDS) },
            queue_of: PhantomData,
        }
    }

    /// Makes an empty queue ready for the next chain of its core: it keeps its buffer on the
    /// heap, if that is small enough, and else goes back to `room`.
    ///
    /// # Safety
    /// As of [`with_room`](Self::with_room).
    #[inline(always)]
    pub(super) unsafe fn reset(&mut self, room: *mut Room) {
        debug_assert!(self.is_empty());
        self.head = room.cast::<Word>();
        if self.is_on_heap() {
            // Without records, the first buffer is the last.
            let buffer = self.last();
            // SAFETY: the buffer is not freed.
            if !unsafe { buffer.may_be_kept() } {
                // SAFETY: by contract.
                return unsafe { self.reset_large(room) };
            }
            // SAFETY: the buffer is not freed.
            self.head = unsafe { buffer.start() };
        }
        self.tail = self.head;
    }

    /// # Safety
    /// As of [`reset`](Self::reset); it is on the heap.
    #[cold]
    #[inline(never)]
    unsafe fn reset_large(&mut self, room: *mut Room) {
        self.free_heap();
        // SAFETY: by contract.
        *self = unsafe { Self::with_room(room) };
    }

    /// Takes all stages out; `room` is the room of this queue.
    pub(super) fn take_all(&mut self, room: &Room) -> Self {
        let mut taken = std::mem::replace(self, Self::new());
        if !taken.is_on_heap() && !taken.is_empty() {
            let start = room.as_ptr().addr();
            let waiting = (taken.head.addr() - start) / size_of::<Word>();
            let waiting = &room[waiting..][..words_between(taken.head, taken.tail)];
            taken.move_to_heap(waiting, 0);
        }
        taken
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    #[inline(always)]
    fn is_on_heap(&self) -> bool {
        self.limit.addr() & ON_HEAP != 0
    }

    /// Where the queued stages were added.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static Location<'static>> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let mut header = self.header_at(at)?;
            if header.of.run.is_none() {
                // SAFETY: only a link has no `run`.
                at = unsafe { next_buffer(at).start() };
                header = self.header_at(at)?;
            }
            at = at.wrapping_add(header.of.words);
            Some(header.added_at)
        })
    }

    /// Adds all the stages of another queue at the end.
    pub(crate) fn append(&mut self, mut other: Self) {
        while let Some(&Header { of, .. }) = other.header_at(other.head) {
            if of.run.is_none() {
                // SAFETY: only a link has no `run`.
                unsafe { other.cross() };
                continue;
            }
            self.reserve(of.words);
            // SAFETY: `reserve` has made room for the record, and the buffers are distinct.
            // The record moves: the next line removes it from the other queue.
            unsafe {
                ptr::copy_nonoverlapping(other.head, self.tail, of.words);
                self.tail = self.tail.add(of.words);
            }
            other.head = other.head.wrapping_add(of.words);
        }
    }

    /// Adds a stage at the end.
    #[inline(always)]
    pub(crate) fn push<T: 'static, S: Queued<C, T>>(
        &mut self,
        stage: S,
        added_at: &'static Location<'static>,
    ) {
        let words = QueuedAs::<C, T, S>::WORDS;
        self.reserve(words);
        // SAFETY: `reserve` has made room for so many words at `tail`.
        unsafe {
            QueuedAs::<C, T, S>::write(self.tail, stage, added_at);
            self.tail = self.tail.add(words);
        }
    }

    /// The first stage.
    #[inline(always)]
    pub(super) fn first(&mut self) -> Option<First<C>> {
        loop {
            let Header { of, added_at } = *self.header_at(self.head)?;
            if let Some(run) = of.run {
                return Some(First {
                    record: self.head,
                    run,
                    added_at,
                });
            }
            // SAFETY: it is a link.
            unsafe { self.cross() };
        }
    }

    #[inline(always)]
    fn header_at(&self, record: *mut Word) -> Option<&Header<C>> {
        if record == self.tail {
            return None;
        }
        // SAFETY: between `head` and `tail` there are whole records, and this is the start of
        // one: the callers pass `head`, or the end of a record.
        Some(unsafe { &*record.cast::<Header<C>>() })
    }

    /// Makes room for `words` more words at `tail`.
    #[inline(always)]
    fn reserve(&mut self, words: usize) {
        if words_between(self.tail, self.limit) < words {
            self.make_room(words);
        }
    }

    /// Makes room for `needed` more words: moves the records to the front of their buffer
    /// if that leaves half of it, else goes on in another one.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, needed: usize) {
        if !self.is_on_heap() {
            let used = words_between(self.head, self.tail);
            // SAFETY: from `head` to `tail` there are records, which are initialised words.
            let waiting = unsafe { std::slice::from_raw_parts(self.head, used) };
            return self.move_to_heap(waiting, needed);
        }
        let last = self.last();
        if self.first_buffer() != last {
            return self.link(needed);
        }
        let used = words_between(self.head, self.tail);
        // SAFETY: the buffer is not freed.
        let (start, words) = unsafe { (last.start(), last.words()) };
        if used + needed > words / 2 {
            return self.link(needed);
        }
        // SAFETY: source and target lie in the same buffer, of which the records take less
        // than half.
        unsafe { ptr::copy(self.head, start, used) };
        self.head = start;
        self.tail = start.wrapping_add(used);
    }

    /// The last buffer, if it is on the heap.
    fn last(&self) -> Buffer {
        debug_assert!(self.is_on_heap());
        let limit = self.limit.wrapping_byte_sub(ON_HEAP);
        Buffer::ending_at(limit.wrapping_add(LINK_WORDS))
    }

    /// The first buffer, if the last one is on the heap.
    fn first_buffer(&self) -> Buffer {
        // SAFETY: the last buffer is not freed, and `go_on_in` has stored the first in it.
        unsafe { self.last().first() }
    }

    /// Goes on in another buffer on the heap; `first` is the first buffer of the queue.
    fn go_on_in(&mut self, buffer: Buffer, first: Buffer) {
        let limit = buffer.end().wrapping_sub(LINK_WORDS);
        self.limit = limit.wrapping_byte_add(ON_HEAP);
        // SAFETY: the buffer is not freed.
        self.tail = unsafe {
            buffer.set_first(first);
            buffer.start()
        };
    }

    /// Moves `waiting`, the records of this queue, into a first buffer on the heap, which has room
    /// for at least `more` further words.
    fn move_to_heap(&mut self, waiting: &[Word], more: usize) {
        let buffer = Buffer::new(waiting.len() + more + LINK_WORDS, 0);
        self.go_on_in(buffer, buffer);
        self.head = self.tail;
        // SAFETY: the new buffer has room for them, and the old one is another.
        unsafe { ptr::copy_nonoverlapping(waiting.as_ptr(), self.head, waiting.len()) };
        self.tail = self.head.wrapping_add(waiting.len());
    }

    /// Goes on in another buffer, with room for at least `needed` words.
    fn link(&mut self, needed: usize) {
        let first = self.first_buffer();
        // SAFETY: the buffer is not freed.
        let before = unsafe { self.last().words() };
        let next = Buffer::new(needed + LINK_WORDS, before);
        // SAFETY: the last buffer is on the heap, so it has room for a link behind its limit.
        unsafe { LinkOf::<C>::write(self.tail, next) };
        self.go_on_in(next, first);
    }

    /// Follows the link at the head.
    ///
    /// # Safety
    /// There is one.
    #[cold]
    #[inline(never)]
    unsafe fn cross(&mut self) {
        // SAFETY: by contract.
        let next = unsafe { next_buffer(self.head) };
        let left = self.first_buffer();
        // SAFETY: both are there.
        self.head = unsafe {
            self.last().set_first(next);
            next.start()
        };
        // SAFETY: `head` was in it and has left it, so it holds no record any more.
        unsafe { left.free() };
    }

    /// Frees the buffer on the heap, if there is one. The queue has no records.
    #[inline(always)]
    pub(super) fn free(&mut self) {
        debug_assert!(self.is_empty());
        if self.is_on_heap() {
            self.free_heap();
        }
    }

    #[cold]
    #[inline(never)]
    fn free_heap(&mut self) {
        let left = self.last();
        let nowhere = ptr::dangling_mut();
        (self.head, self.tail, self.limit) = (nowhere, nowhere, nowhere);
        // SAFETY: it was not freed, and without records it is the only one. The queue does
        // not use it any more: its limit has no tag.
        unsafe { left.free() };
    }
}

#[inline(always)]
fn words_between(start: *mut Word, end: *mut Word) -> usize {
    debug_assert!(start.addr() <= end.addr());
    (end.addr() - start.addr()) / size_of::<Word>()
}

impl<C: RunsStages> Drop for Stages<C> {
    #[inline]
    fn drop(&mut self) {
        while let Some(header) = self.header_at(self.head) {
            let of = header.of;
            if of.run.is_none() {
                // SAFETY: only a link has no `run`.
                unsafe { self.cross() };
                continue;
            }
            let record = self.head;
            self.head = record.wrapping_add(of.words);
            // SAFETY: the record holds a stage of that type, and `head` is past it.
            unsafe { (of.drop)(record) }
        }
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::UnsafeCell;
    use std::rc::Rc;

    use super::*;
    use crate::chain::raw::slot::{Fits, Slot};

    /// A core in miniature: a queue, and the slot that its stages work on.
    struct TestCore {
        stages: UnsafeCell<Stages<Self>>,
        slot: UnsafeCell<Slot<Unchecked>>,
    }

    /// A flavour that everything fits.
    struct Unchecked;

    impl<X: 'static> Fits<Unchecked> for X {}

    // SAFETY: they are fields of the host, which the tests do not move.
    unsafe impl RunsStages for TestCore {
        type Flavour = Unchecked;
        type Flow = ();

        fn head(&self) -> *mut *mut Word {
            // SAFETY: the queue is there.
            unsafe { Stages::head_of(self.stages.get()) }
        }

        fn slot(&self) -> *mut Slot<Unchecked> {
            self.slot.get()
        }
    }

    /// Adds its number to a list; takes `WORDS` words.
    struct Note<const WORDS: usize>(Rc<UnsafeCell<Vec<u64>>>, [u64; WORDS]);

    impl<const WORDS: usize> Queued<TestCore, ()> for Note<WORDS> {
        fn run_queued(self, _slot: &mut Slot<Unchecked>) {
            // SAFETY: one stage runs at a time.
            unsafe { &mut *self.0.get() }.push(self.1[0]);
        }
    }

    fn host() -> TestCore {
        TestCore {
            stages: UnsafeCell::new(Stages::new()),
            slot: UnsafeCell::new(Slot::empty()),
        }
    }

    fn noted(notes: &Rc<UnsafeCell<Vec<u64>>>) -> Vec<u64> {
        // SAFETY: no stage runs.
        unsafe { &*notes.get() }.clone()
    }

    /// Queues one of three sizes, the last of which is boxed.
    fn push(stages: &mut Stages<TestCore>, notes: &Rc<UnsafeCell<Vec<u64>>>, number: u64) {
        let (notes, here) = (Rc::clone(notes), Location::caller());
        match number % 3 {
            0 => stages.push::<(), _>(Note(notes, [number; 1]), here),
            1 => stages.push::<(), _>(Note(notes, [number; 7]), here),
            _ => stages.push::<(), _>(Note(notes, [number; 40]), here),
        }
    }

    fn run_all(host: &TestCore) {
        // SAFETY: the reference is gone when the stage runs.
        while let Some(first) = unsafe { &mut *host.stages.get() }.first() {
            // SAFETY: it is the first of this host's.
            unsafe { first.run(host) }
        }
    }

    #[test]
    fn stages_of_any_size_run_in_order_through_many_buffers() {
        const NUMBER: u64 = if cfg!(miri) { 500 } else { 5000 };
        let (host, notes) = (host(), Rc::default());
        for number in 0..NUMBER {
            // SAFETY: no stage runs.
            push(unsafe { &mut *host.stages.get() }, &notes, number);
        }
        run_all(&host);
        assert_eq!(noted(&notes), (0..NUMBER).collect::<Vec<_>>());
        assert_eq!(Rc::strong_count(&notes), 1, "each was dropped once");
    }

    #[test]
    fn a_queue_that_is_emptied_now_and_then_uses_its_buffer_again() {
        let (host, notes) = (host(), Rc::default());
        for round in 0..100 {
            for number in 0..7 {
                // SAFETY: no stage runs.
                push(
                    unsafe { &mut *host.stages.get() },
                    &notes,
                    7 * round + number,
                );
            }
            run_all(&host);
        }
        assert_eq!(noted(&notes), (0..700).collect::<Vec<_>>());
    }

    #[test]
    fn stages_that_never_run_are_dropped_once() {
        let (mut stages, notes) = (Stages::<TestCore>::new(), Rc::default());
        for number in 0..500 {
            push(&mut stages, &notes, number);
        }
        assert_eq!(Rc::strong_count(&notes), 501);
        drop(stages);
        assert_eq!(Rc::strong_count(&notes), 1);
        assert!(noted(&notes).is_empty());
    }

    #[test]
    fn another_queue_is_appended_as_it_stands() {
        let (host, notes) = (host(), Rc::default());
        let mut more = Stages::<TestCore>::new();
        for number in 0..300 {
            // SAFETY: no stage runs.
            push(unsafe { &mut *host.stages.get() }, &notes, number);
            push(&mut more, &notes, 300 + number);
        }
        // SAFETY: as above.
        let stages = unsafe { &mut *host.stages.get() };
        stages.append(more);
        assert_eq!(stages.places().count(), 600);
        run_all(&host);
        assert_eq!(noted(&notes), (0..600).collect::<Vec<_>>());
    }
}
