//! Record: a stage in a queue, behind a header that tells its type and its place in the source.

use std::marker::PhantomData;
use std::panic::Location;

use super::buffer::Buffer;
use super::slot::{Fits, Slot};
use super::word::{Placement, Word, read, word_aligned, words_of, write};
use crate::panics::drop_contained;

/// A header: two references.
const HEADER_WORDS: usize = words_of::<[&(); 2]>();

/// A link, which ends a buffer that another one follows: a header, and the next buffer.
pub(super) const LINK_WORDS: usize = HEADER_WORDS + words_of::<Buffer>();

/// A larger closure goes into a box, so that one of a megabyte is not copied when the queue
/// moves to another buffer.
const LARGEST_INLINE_BYTES: usize = 128;

/// Owner of a queue of stages: a core, which has the slot that the stages work on.
///
/// # Safety
/// Both places are in the same allocation as this, and stay where they are.
pub(crate) unsafe trait RunsStages: Sized + 'static {
    /// The flavour that the stages must [fit](Fits).
    type Flavour;
    /// Return type of a stage.
    type Flow;

    /// Where the queue keeps the place of its first record.
    fn head(&self) -> *mut *mut Word;
    fn slot(&self) -> *mut Slot<Self::Flavour>;
}

/// A stage that can be queued in a `C`.
pub(crate) trait Queued<C: RunsStages, T>: Fits<C::Flavour> {
    /// Runs it on the result of its chain, which is in `slot` and is to be there again.
    fn run_queued(self, slot: &mut Slot<C::Flavour>) -> C::Flow;
}

/// The header of a record, which stands before the stage.
pub(super) struct Header<C: RunsStages> {
    pub(super) of: &'static StageType<C>,
    pub(super) added_at: &'static Location<'static>,
}

pub(super) struct StageType<C: RunsStages> {
    /// Number of words of the record.
    pub(super) words: usize,
    /// Drops the stage of the record at the place, which must not be used again.
    pub(super) drop: unsafe fn(*mut Word),
    /// Removes the record at the place, the first of its queue, and runs its stage. `None`
    /// for a link, which differs from a stage by that.
    pub(super) run: Option<RunAt<C>>,
}

pub(super) type RunAt<C> = unsafe fn(*mut Word, &C) -> <C as RunsStages>::Flow;

/// How the queue keeps an `S`.
struct StageOf<S>(S);

impl<S> Placement<S> for StageOf<S> {
    const BOXED: bool = size_of::<S>() > LARGEST_INLINE_BYTES || !word_aligned::<S>();
}

impl<S: 'static> StageOf<S> {
    /// Number of words of its record.
    const WORDS: usize = HEADER_WORDS + if Self::BOXED { 1 } else { words_of::<S>() };

    /// # Safety
    /// `record` is one of an `S`, which is not used again.
    #[inline(always)]
    unsafe fn take(record: *mut Word) -> S {
        // SAFETY: by contract; the stage is behind the header.
        unsafe { read::<Self, S>(record.add(HEADER_WORDS)) }
    }

    /// # Safety
    /// As of [`take`](Self::take).
    unsafe fn drop_at(record: *mut Word) {
        // SAFETY: by contract.
        drop_contained(unsafe { Self::take(record) });
    }
}

/// How the queue keeps and runs an `S` that takes a `T`.
pub(super) struct QueuedAs<C, T, S>(PhantomData<(C, T, S)>);

impl<C: RunsStages, T: 'static, S: Queued<C, T>> QueuedAs<C, T, S> {
    /// Number of words of its record.
    pub(super) const WORDS: usize = StageOf::<S>::WORDS;
    const TYPE: &'static StageType<C> = &StageType {
        words: Self::WORDS,
        drop: StageOf::<S>::drop_at,
        run: Some(Self::run_at),
    };

    /// Makes the record of a stage.
    ///
    /// # Safety
    /// `record` is valid for writes of [`WORDS`](Self::WORDS) words.
    #[inline(always)]
    pub(super) unsafe fn write(record: *mut Word, stage: S, added_at: &'static Location<'static>) {
        const { assert!(words_of::<Header<C>>() == HEADER_WORDS && word_aligned::<Header<C>>()) };
        let of = Self::TYPE;
        // SAFETY: by contract; the stage, or its box, is behind the header.
        unsafe {
            record.cast::<Header<C>>().write(Header { of, added_at });
            write::<StageOf<S>, S>(record.add(HEADER_WORDS), stage);
        }
    }

    /// # Safety
    /// `record` holds an `S`, and is the first of the queue of `core`; the caller has exclusive
    /// access to the stages and the slot of `core`.
    unsafe fn run_at(record: *mut Word, core: &C) -> C::Flow {
        // SAFETY: by contract; the next line removes it before any other code runs.
        let stage = unsafe { StageOf::<S>::take(record) };
        // SAFETY: by contract. It is called here and not by the caller, because here the size is a
        // constant.
        stage.run_queued(unsafe { remove_first(core, record, StageOf::<S>::WORDS) })
    }
}

/// Removes the first record; returns the slot for its stage.
///
/// # Safety
/// As of [`QueuedAs::run_at`], and the record has `words` words. The caller makes no other
/// reference to the slot while the result lives.
#[inline(always)]
#[expect(clippy::mut_from_ref, reason = "by contract, it is the only one")]
unsafe fn remove_first<C: RunsStages>(
    core: &C,
    record: *mut Word,
    words: usize,
) -> &mut Slot<C::Flavour> {
    // SAFETY: by contract.
    unsafe {
        *core.head() = record.wrapping_add(words);
        &mut *core.slot()
    }
}

/// A link: a record that leads to the buffer that follows.
pub(super) struct LinkOf<C>(PhantomData<C>);

impl<C: RunsStages> LinkOf<C> {
    const TYPE: &'static StageType<C> = &StageType {
        words: LINK_WORDS,
        drop: |_record| {},
        run: None,
    };

    /// # Safety
    /// `record` is valid for writes of [`LINK_WORDS`] words.
    pub(super) unsafe fn write(record: *mut Word, next: Buffer) {
        let header = Header::<C> {
            of: Self::TYPE,
            added_at: Location::caller(), // never read
        };
        // SAFETY: by contract.
        unsafe {
            record.cast::<Header<C>>().write(header);
            record.add(HEADER_WORDS).cast::<Buffer>().write(next);
        }
    }
}

/// The buffer that a link leads to.
///
/// # Safety
/// There is one at `record`.
pub(super) unsafe fn next_buffer(record: *mut Word) -> Buffer {
    // SAFETY: by contract.
    unsafe { record.add(HEADER_WORDS).cast::<Buffer>().read() }
}
