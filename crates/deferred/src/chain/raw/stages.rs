//! A queue of stages of any types.

use std::marker::PhantomData;
use std::panic::Location;
use std::ptr;

use super::buffer::Buffer;
use super::core::Core;
use super::slot::Slot;
use super::{Word, read, word_aligned, words_of, write};
use crate::chain::flavour::{Fits, Flavour};
use crate::chain::run::Flow;
use crate::panics::drop_contained;

/// What a core has room for: three stages whose closures capture two words each, or four
/// that capture one.
const ROOM_WORDS: usize = 12;

/// The first buffer of a queue, in the core it belongs to.
pub(super) type Room = [Word; ROOM_WORDS];

/// A header: two references.
const HEADER_WORDS: usize = words_of::<[&(); 2]>();

/// What stands at the end of a buffer that another one follows: a header, and that one.
const LINK_WORDS: usize = HEADER_WORDS + words_of::<Buffer>();

/// A closure that is larger than this goes into a box, so that one of a
/// megabyte is not copied when the buffer grows.
const LARGEST_INLINE_BYTES: usize = 128;

/// A stage that can be queued.
pub(crate) trait Queued<M: Flavour, T>: Fits<M> {
    /// Runs it on the result of its chain, which is in `slot` and is to be there again.
    fn run_queued(self, slot: &mut Slot<M>) -> Flow<M>;
}

/// A queue of stages of any types, with the place each was added at.
///
/// Dropping it drops the stages in order, containing panics.
///
/// It is ends of buffers that lie elsewhere: so a chain needs no more than two of
/// them to add a stage, or to run one. The first buffer is the room of the core; a stage
/// that has no place there moves all of them to one on the heap. If that is full another
/// follows, to which a link leads: a record like that of a stage, which goes on there.
///
/// A buffer on the heap stays when the queue is empty, and is used again.
pub(crate) struct Stages<M: Flavour> {
    /// INVARIANT: from `head` on there are whole records: a `Header`, then its stage; up
    /// to `tail` in the last buffer, and to a link in each before. No other record is a
    /// link, and one is followed by another record. The buffers are of nobody else's.
    head: *mut Word,
    tail: *mut Word,
    /// Where the last buffer has place up to; on the heap, a link has place behind it.
    ///
    /// INVARIANT: it has the tag [`ON_HEAP`] if the last buffer is on the heap; then that
    /// says which is the first, in which `head` is. Those before that are gone.
    limit: *mut Word,
    /// What is in it is `Send` if `M` is.
    flavour: PhantomData<M>,
}

/// The tag of a limit on the heap. It does not count in [`words_between`].
const ON_HEAP: usize = 1;

// SAFETY: what is queued fits the flavour (see `Stages::push`), and the buffer is
// nobody else's.
unsafe impl<M: Flavour + Send> Send for Stages<M> {}

/// Stands before each stage.
struct Header<M: Flavour> {
    of: &'static StageType<M>,
    added_at: &'static Location<'static>,
}

struct StageType<M: Flavour> {
    /// What the record takes in the buffer.
    words: usize,
    /// Drops the stage of the record at the place, which is not used again.
    drop: unsafe fn(*mut Word),
    /// Takes the record at the place, the first of its queue, off that, and runs it.
    /// `None` for a link, which is told from stages by that.
    run: Option<RunAt<M>>,
}

type RunAt<M> = unsafe fn(*mut Word, &Core<M>) -> Flow<M>;

/// What is known of an `S` in the queue.
struct StageOf<S>(S);

impl<S: 'static> StageOf<S> {
    const BOXED: bool = size_of::<S>() > LARGEST_INLINE_BYTES || !word_aligned::<S>();
    /// What its record takes.
    const WORDS: usize = HEADER_WORDS + if Self::BOXED { 1 } else { words_of::<S>() };

    /// # Safety
    /// `record` is one of an `S`, which is not used again.
    #[inline(always)]
    unsafe fn take(record: *mut Word) -> S {
        // SAFETY: by contract; the stage is behind the header.
        unsafe { read::<S>(record.add(HEADER_WORDS), Self::BOXED) }
    }

    /// # Safety
    /// As of [`take`](Self::take).
    unsafe fn drop_at(record: *mut Word) {
        // SAFETY: by contract.
        drop_contained(unsafe { Self::take(record) });
    }
}

/// The same, with how it is run.
struct QueuedAs<M, T, S>(PhantomData<(M, T, S)>);

impl<M: Flavour, T: 'static, S: Queued<M, T>> QueuedAs<M, T, S> {
    const TYPE: &'static StageType<M> = &StageType {
        words: StageOf::<S>::WORDS,
        drop: StageOf::<S>::drop_at,
        run: Some(Self::run_at),
    };

    /// # Safety
    /// `record` is one of an `S`, and the first of the queue of `core`; the stages and
    /// the slot of that are the caller's.
    unsafe fn run_at(record: *mut Word, core: &Core<M>) -> Flow<M> {
        // SAFETY: by contract; the queue lets go of it before anything else runs.
        let stage = unsafe { StageOf::<S>::take(record) };
        // SAFETY: by contract, and nothing else runs now. Here and not by the caller,
        // because here the size is a constant.
        unsafe { (*core.stages.get()).head = record.wrapping_add(StageOf::<S>::WORDS) };
        // SAFETY: by contract.
        stage.run_queued(unsafe { &mut *core.slot.get() })
    }
}

/// A link's.
struct LinkOf<M>(PhantomData<M>);

impl<M: Flavour> LinkOf<M> {
    const TYPE: &'static StageType<M> = &StageType {
        words: LINK_WORDS,
        drop: |_record| {},
        run: None,
    };
}

/// The first stage of a queue.
pub(super) struct First<M: Flavour> {
    record: *mut Word,
    run: RunAt<M>,
    pub(super) added_at: &'static Location<'static>,
}

impl<M: Flavour> First<M> {
    /// Takes it off the queue and runs it.
    ///
    /// # Safety
    /// It is the first of the queue of `core`; the stages and the slot of that are the
    /// caller's.
    #[inline(always)]
    pub(super) unsafe fn run(self, core: &Core<M>) -> Flow<M> {
        // SAFETY: by contract.
        unsafe { (self.run)(self.record, core) }
    }
}

impl<M: Flavour> Stages<M> {
    /// An empty queue without a room.
    pub(crate) const fn new() -> Self {
        Self {
            head: ptr::dangling_mut(),
            tail: ptr::dangling_mut(),
            limit: ptr::dangling_mut(),
            flavour: PhantomData,
        }
    }

    /// An empty queue with `room` to begin with.
    ///
    /// # Safety
    /// `room` is valid for reads and writes, and of nobody else's, for as long as the
    /// queue has records in it.
    #[inline(always)]
    pub(super) unsafe fn with_room(room: *mut Room) -> Self {
        const { assert!(words_of::<Header<M>>() == HEADER_WORDS && word_aligned::<Header<M>>()) };
        let start = room.cast::<Word>();
        Self {
            head: start,
            tail: start,
            // SAFETY: the end of the room.
            limit: unsafe { start.add(ROOM_WORDS) },
            flavour: PhantomData,
        }
    }

    /// Makes an empty queue ready for the next chain, for which `room` is: with the buffer
    /// on the heap that it has, if that is not too large, else with the room.
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
            // SAFETY: it is there.
            if !unsafe { buffer.may_be_kept() } {
                // SAFETY: by contract.
                return unsafe { self.reset_large(room) };
            }
            // SAFETY: it is there.
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

    /// Takes the stages out, leaving none; `room` is the queue's.
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

    /// Where the stages that wait were added.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static Location<'static>> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let mut header = self.header_at(at)?;
            if header.of.run.is_none() {
                // SAFETY: it is a link.
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
                // SAFETY: it is a link.
                unsafe { other.cross() };
                continue;
            }
            self.reserve(of.words);
            // SAFETY: there is place for it, and the buffers are two. It is here then,
            // and there no longer.
            unsafe {
                ptr::copy_nonoverlapping(other.head, self.tail, of.words);
                self.tail = self.tail.add(of.words);
            }
            other.head = other.head.wrapping_add(of.words);
        }
    }

    /// Adds a stage at the end.
    #[inline(always)]
    pub(crate) fn push<T: 'static, S: Queued<M, T>>(
        &mut self,
        stage: S,
        added_at: &'static Location<'static>,
    ) {
        self.reserve(StageOf::<S>::WORDS);
        let of = QueuedAs::<M, T, S>::TYPE;
        // SAFETY: from `tail` on there is room for the record: a header, and a stage
        // as it is kept.
        unsafe {
            let record = self.tail;
            record.cast::<Header<M>>().write(Header { of, added_at });
            write(record.add(HEADER_WORDS), stage, StageOf::<S>::BOXED);
            self.tail = record.add(StageOf::<S>::WORDS);
        }
    }

    /// The first stage.
    #[inline(always)]
    pub(super) fn first(&mut self) -> Option<First<M>> {
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
    fn header_at(&self, record: *mut Word) -> Option<&Header<M>> {
        if record == self.tail {
            return None;
        }
        // SAFETY: between `head` and `tail` there are whole records, and this is the
        // start of one: `head`, or what follows another.
        Some(unsafe { &*record.cast::<Header<M>>() })
    }

    /// Makes sure that so many words can follow.
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
            // SAFETY: these are its records.
            let waiting = unsafe { std::slice::from_raw_parts(self.head, used) };
            return self.move_to_heap(waiting, needed);
        }
        let last = self.last();
        if self.first_buffer() != last {
            return self.link(needed);
        }
        let used = words_between(self.head, self.tail);
        // SAFETY: it is there.
        let (start, words) = unsafe { (last.start(), last.words()) };
        if used + needed > words / 2 {
            return self.link(needed);
        }
        // SAFETY: as many words fit there as in their place behind it.
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
        // SAFETY: it is there, and `go_on_in` has noted it.
        unsafe { self.last().first() }
    }

    /// Goes on in another buffer on the heap; `first` is that of the queue.
    fn go_on_in(&mut self, buffer: Buffer, first: Buffer) {
        let limit = buffer.end().wrapping_sub(LINK_WORDS);
        self.limit = limit.wrapping_byte_add(ON_HEAP);
        // SAFETY: it is there.
        self.tail = unsafe {
            buffer.set_first(first);
            buffer.start()
        };
    }

    /// Moves `waiting`, which are its records, into a first buffer of the heap with
    /// place for so many more words at least.
    fn move_to_heap(&mut self, waiting: &[Word], more: usize) {
        let buffer = Buffer::new(waiting.len() + more + LINK_WORDS, 0);
        self.go_on_in(buffer, buffer);
        self.head = self.tail;
        // SAFETY: there is place for them, and the buffers are two.
        unsafe { ptr::copy_nonoverlapping(waiting.as_ptr(), self.head, waiting.len()) };
        self.tail = self.head.wrapping_add(waiting.len());
    }

    /// Goes on in another buffer, with place for so many words at least.
    fn link(&mut self, needed: usize) {
        let first = self.first_buffer();
        // SAFETY: it is there.
        let before = unsafe { self.last().words() };
        let next = Buffer::new(needed + LINK_WORDS, before);
        let header = Header {
            of: LinkOf::<M>::TYPE,
            added_at: Location::caller(), // nobody looks
        };
        // SAFETY: the last buffer is one of the heap, which has place for a link behind
        // its limit.
        unsafe {
            self.tail.cast::<Header<M>>().write(header);
            self.tail.add(HEADER_WORDS).cast::<Buffer>().write(next);
        }
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
        // SAFETY: it was the one with the head in it, and nothing in it is left.
        unsafe { left.free() };
    }

    /// Lets go of the buffer on the heap, if there is one. There are no records.
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
        // SAFETY: it was there, and without records there is no other one. The queue has
        // let go of it: its limit has no tag.
        unsafe { left.free() };
    }
}

/// Where a link leads.
///
/// # Safety
/// There is one at `record`.
unsafe fn next_buffer(record: *mut Word) -> Buffer {
    // SAFETY: by contract.
    unsafe { record.add(HEADER_WORDS).cast::<Buffer>().read() }
}

#[inline(always)]
fn words_between(start: *mut Word, end: *mut Word) -> usize {
    debug_assert!(start.addr() <= end.addr());
    (end.addr() - start.addr()) / size_of::<Word>()
}

impl<M: Flavour> Drop for Stages<M> {
    #[inline]
    fn drop(&mut self) {
        while let Some(header) = self.header_at(self.head) {
            let of = header.of;
            if of.run.is_none() {
                // SAFETY: it is a link.
                unsafe { self.cross() };
                continue;
            }
            let record = self.head;
            self.head = record.wrapping_add(of.words);
            // SAFETY: such a stage is in it, and the queue has let go of it.
            unsafe { (of.drop)(record) }
        }
        self.free();
    }
}
