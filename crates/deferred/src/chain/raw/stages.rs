//! A queue of stages of any types.

use std::marker::PhantomData;
use std::panic::Location;
use std::ptr;

use super::core::Core;
use super::slot::Slot;
use super::{Word, read, word_aligned, words_of, write};
use crate::chain::mode::{Fits, Mode};
use crate::chain::run::Flow;
use crate::contain::drop_contained;

/// What a core has room for: four stages whose closures capture three words each, and
/// one more that captures little, such as an errback or what a combinator adds.
const ROOM_WORDS: usize = 24;

/// The first buffer of a queue, in the core it belongs to.
pub(super) type Room = [Word; ROOM_WORDS];

/// A header: two references.
const HEADER_WORDS: usize = 2 * words_of::<&()>();

/// The first heap buffer of a chain that outgrew its own.
const FIRST_SPILL_WORDS: usize = 128;

/// A closure that is larger than this goes into a box, so that one of a
/// megabyte is not copied when the buffer grows.
const LARGEST_INLINE_BYTES: usize = 128;

/// A stage that can be queued.
pub(crate) trait Queued<M: Mode, T>: Fits<M> {
    /// Runs it on the result of its chain, which is in `slot` and is to be there again.
    fn run_queued(self, slot: &mut Slot<M>) -> Flow<M>;
}

/// A queue of stages of any types, with the place each was added at.
///
/// Dropping it drops the stages in order, containing panics.
///
/// It is ends of a buffer that lies elsewhere: so a chain needs no more than two of
/// them to add a stage, or to run one.
pub(crate) struct Stages<M: Mode> {
    /// INVARIANT: `head <= tail <= limit` are places in the buffer in use, and the
    /// words between the first two are whole records: a `Header`, then its stage.
    /// The buffer is of nobody else's.
    head: *mut Word,
    tail: *mut Word,
    /// The end of the buffer.
    limit: *mut Word,
    /// INVARIANT: the start of the buffer in use, if it came from a `Box<[Word]>`;
    /// else null, and the buffer is the room of the queue, or none.
    spill: *mut Word,
    /// What is in it is `Send` if `M` is.
    flavour: PhantomData<M>,
}

// SAFETY: what is queued fits the flavour (see `Stages::push`), and the buffer is
// nobody else's.
unsafe impl<M: Mode + Send> Send for Stages<M> {}

/// Stands before each stage.
struct Header<M: Mode> {
    of: &'static StageType<M>,
    added_at: &'static Location<'static>,
}

struct StageType<M: Mode> {
    /// What the record takes in the buffer.
    words: usize,
    /// Drops the stage of the record at the place, which is not used again.
    drop: unsafe fn(*mut Word),
    /// Takes the record at the place, the first of its queue, off that, and runs it.
    run: unsafe fn(*mut Word, &Core<M>) -> Flow<M>,
}

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

impl<M: Mode, T: 'static, S: Queued<M, T>> QueuedAs<M, T, S> {
    const TYPE: &'static StageType<M> = &StageType {
        words: StageOf::<S>::WORDS,
        drop: StageOf::<S>::drop_at,
        run: Self::run_at,
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

/// The first stage of a queue.
pub(super) struct First<M: Mode> {
    record: *mut Word,
    run: unsafe fn(*mut Word, &Core<M>) -> Flow<M>,
    pub(super) added_at: &'static Location<'static>,
}

impl<M: Mode> First<M> {
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

impl<M: Mode> Stages<M> {
    /// An empty queue without a room.
    pub(crate) const fn new() -> Self {
        Self {
            head: ptr::dangling_mut(),
            tail: ptr::dangling_mut(),
            limit: ptr::dangling_mut(),
            spill: ptr::null_mut(),
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
            spill: ptr::null_mut(),
            flavour: PhantomData,
        }
    }

    /// Takes the stages out, leaving none; `room` is the queue's.
    pub(super) fn take_all(&mut self, room: &Room) -> Self {
        let mut taken = std::mem::replace(self, Self::new());
        if taken.spill.is_null() && !taken.is_empty() {
            let start = room.as_ptr().addr();
            let waiting = (taken.head.addr() - start) / size_of::<Word>();
            let waiting = &room[waiting..][..taken.len()];
            taken.move_to_heap(waiting, waiting.len());
        }
        taken
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// What is in it, in words.
    fn len(&self) -> usize {
        words_between(self.head, self.tail)
    }

    /// Where the stages that wait were added.
    pub(crate) fn places(&self) -> impl Iterator<Item = &'static Location<'static>> {
        let mut at = self.head;
        std::iter::from_fn(move || {
            let header = self.header_at(at)?;
            at = at.wrapping_add(header.of.words);
            Some(header.added_at)
        })
    }

    /// Adds all the stages of another queue at the end.
    pub(crate) fn append(&mut self, mut other: Self) {
        let moved = other.len();
        self.reserve(moved);
        // SAFETY: there is room for so many words, and the buffers are two.
        unsafe {
            ptr::copy_nonoverlapping(other.head, self.tail, moved);
            self.tail = self.tail.add(moved);
        }
        // They are here now.
        other.head = other.tail;
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
    pub(super) fn first(&self) -> Option<First<M>> {
        let Header { of, added_at } = *self.header_at(self.head)?;
        Some(First {
            record: self.head,
            run: of.run,
            added_at,
        })
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

    /// Makes room for `needed` more words: moves the records to the front if that
    /// leaves half of the buffer, else into a larger one.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, needed: usize) {
        let used = self.len();
        let capacity = words_between(self.spill, self.limit);
        if self.spill.is_null() {
            // SAFETY: these are its records.
            let waiting = unsafe { std::slice::from_raw_parts(self.head, used) };
            self.move_to_heap(waiting, used + needed);
        } else if used + needed <= capacity / 2 {
            // SAFETY: as many words fit there as in their place behind it.
            unsafe {
                ptr::copy(self.head, self.spill, used);
                self.head = self.spill;
                self.tail = self.spill.add(used);
            }
        } else {
            self.grow(used, needed);
        }
    }

    /// Moves `waiting`, which are its records, into a first buffer of the heap with
    /// room for so many words at least.
    fn move_to_heap(&mut self, waiting: &[Word], words: usize) {
        let capacity = (2 * words).next_power_of_two().max(FIRST_SPILL_WORDS);
        let mut buffer = Vec::with_capacity(capacity);
        buffer.extend_from_slice(waiting);
        self.adopt(buffer);
    }

    /// Goes on in a buffer of the heap that is twice as large or more.
    ///
    /// The allocator is asked to let it grow: it may have to copy what is there, but
    /// a large one gets more memory at its end.
    fn grow(&mut self, used: usize, needed: usize) {
        let mut buffer = self.leave_heap();
        // SAFETY: the capacity is at least what is in use, the words need not hold
        // anything, and the records are in front.
        unsafe {
            let start = buffer.as_mut_ptr();
            ptr::copy(self.head, start, used);
            buffer.set_len(used);
        }
        let capacity = (2 * (used + needed)).next_power_of_two();
        buffer.reserve_exact(capacity - used);
        self.adopt(buffer);
    }

    /// Takes a buffer of the heap into use, in which the records are.
    fn adopt(&mut self, buffer: Vec<Word>) {
        let mut buffer = std::mem::ManuallyDrop::new(buffer);
        let start = buffer.as_mut_ptr();
        self.head = start;
        self.tail = start.wrapping_add(buffer.len());
        self.limit = start.wrapping_add(buffer.capacity());
        self.spill = start;
    }

    /// The buffer of the heap, empty: the queue has none any more.
    fn leave_heap(&mut self) -> Vec<Word> {
        let capacity = words_between(self.spill, self.limit);
        let start = std::mem::replace(&mut self.spill, ptr::null_mut());
        // SAFETY: it came from a `Vec` of this capacity, in `adopt`.
        unsafe { Vec::from_raw_parts(start, 0, capacity) }
    }

    /// Lets go of the buffer on the heap, if there is one. There are no records.
    #[inline(always)]
    pub(super) fn free(&mut self) {
        debug_assert!(self.is_empty());
        if !self.spill.is_null() {
            self.free_heap();
        }
    }

    #[cold]
    #[inline(never)]
    fn free_heap(&mut self) {
        drop(self.leave_heap());
        *self = Self::new();
    }
}

#[inline(always)]
fn words_between(start: *mut Word, end: *mut Word) -> usize {
    (end.addr() - start.addr()) / size_of::<Word>()
}

impl<M: Mode> Drop for Stages<M> {
    #[inline]
    fn drop(&mut self) {
        while let Some(header) = self.header_at(self.head) {
            let of = header.of;
            let record = self.head;
            self.head = record.wrapping_add(of.words);
            // SAFETY: such a stage is in it, and the queue has let go of it.
            unsafe { (of.drop)(record) }
        }
        self.free();
    }
}
