//! One result of any type.

use std::any::TypeId;
use std::marker::PhantomData;
use std::mem::{MaybeUninit, needs_drop};
use std::panic::Location;
use std::ptr;

use super::{Word, read, word_aligned, words_of, write};
use crate::chain::mode::{Fits, Mode};
use crate::contain::drop_contained;
use crate::failure::{Failure, Result};

/// The largest value that is kept in the slot itself.
const SLOT_WORDS: usize = 8;

/// One result of any type: nothing, a value, or a failure.
///
/// Dropping it drops what is in it, containing a panic.
#[repr(C)] // the room last: see `Core`
pub(crate) struct Slot<M> {
    content: Content,
    /// INVARIANT: holds what `content` says; for a value, by the layout of its type.
    words: [Word; SLOT_WORDS],
    /// What is in it is `Send` if `M` is.
    flavour: PhantomData<M>,
}

#[derive(Clone, Copy)]
enum Content {
    Nothing,
    Value(&'static ValueType),
    Failure,
}

struct ValueType {
    id: TypeId,
    /// What the value takes in the slot.
    words: usize,
    /// Drops the value at the place, which is not used again.
    drop: Option<unsafe fn(*mut Word)>,
}

/// What is known of a `T` in a slot.
struct ValueOf<T>(T);

impl<T: 'static> ValueOf<T> {
    const BOXED: bool = words_of::<T>() > SLOT_WORDS || !word_aligned::<T>();
    const TYPE: &'static ValueType = &ValueType {
        id: TypeId::of::<T>(),
        words: if Self::BOXED { 1 } else { words_of::<T>() },
        drop: if Self::BOXED || needs_drop::<T>() {
            Some(Self::drop_at)
        } else {
            None
        },
    };

    /// # Safety
    /// `place` holds a `T` as a slot keeps it, which is not used again.
    unsafe fn drop_at(place: *mut Word) {
        // SAFETY: by contract.
        drop_contained(unsafe { read::<T>(place, Self::BOXED) });
    }
}

impl<M: Mode> Slot<M> {
    pub(crate) const fn empty() -> Self {
        Self {
            content: Content::Nothing,
            words: [const { MaybeUninit::uninit() }; SLOT_WORDS],
            flavour: PhantomData,
        }
    }

    /// Makes an empty slot at `place`, leaving its room alone.
    ///
    /// # Safety
    /// `place` is aligned and valid for writes.
    pub(super) unsafe fn write_empty(place: *mut Self) {
        // SAFETY: by contract; `words` may be left uninitialised.
        unsafe { (&raw mut (*place).content).write(Content::Nothing) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.content, Content::Nothing)
    }

    pub(crate) fn is_failure(&self) -> bool {
        matches!(self.content, Content::Failure)
    }

    /// Puts a result into an empty slot.
    #[inline]
    pub(crate) fn put<T: Fits<M>>(&mut self, result: Result<T>) {
        match result {
            Ok(value) => self.put_value(value),
            Err(failure) => self.put_failure(failure),
        }
    }

    #[inline]
    pub(crate) fn put_value<T: Fits<M>>(&mut self, value: T) {
        debug_assert!(self.is_empty());
        // SAFETY: `words` is aligned and, unless boxed, large enough.
        unsafe { write(self.words.as_mut_ptr(), value, ValueOf::<T>::BOXED) };
        self.content = Content::Value(ValueOf::<T>::TYPE);
    }

    pub(crate) fn put_failure(&mut self, failure: Failure) {
        debug_assert!(self.is_empty());
        const { assert!(words_of::<Failure>() == 1 && word_aligned::<Failure>()) };
        // SAFETY: a failure is one word.
        unsafe { write(self.words.as_mut_ptr(), failure, false) };
        self.content = Content::Failure;
    }

    /// Takes the result out, if there is one and its value would be a `T`.
    #[inline]
    pub(crate) fn take<T: Fits<M>>(&mut self) -> Option<Result<T>> {
        match self.content {
            // The place tells mostly, the identity always.
            Content::Value(of) if ptr::eq(of, ValueOf::<T>::TYPE) || of.id == TypeId::of::<T>() => {
                self.content = Content::Nothing;
                // SAFETY: a `T` was put here, and `content` no longer says so.
                Some(Ok(unsafe {
                    read(self.words.as_ptr(), ValueOf::<T>::BOXED)
                }))
            }
            Content::Failure => self.take_failure().map(Err),
            _ => None,
        }
    }

    /// Takes the failure out, if it is one.
    pub(crate) fn take_failure(&mut self) -> Option<Failure> {
        if !self.is_failure() {
            return None;
        }
        self.content = Content::Nothing;
        // SAFETY: a failure was put here, and `content` no longer says so.
        Some(unsafe { read(self.words.as_ptr(), false) })
    }

    /// The failure, if it is one.
    pub(crate) fn failure(&mut self) -> Option<&mut Failure> {
        if !self.is_failure() {
            return None;
        }
        // SAFETY: `content` says that a failure is there.
        Some(unsafe { &mut *self.words.as_mut_ptr().cast::<Failure>() })
    }

    /// Notes in the failure, if it is one, that it leaves the stage added at `place`.
    pub(crate) fn note_passed(&mut self, place: &'static Location<'static>) {
        if let Some(failure) = self.failure() {
            failure.passed(place);
        }
    }

    /// Moves the content, of whatever type, into an empty slot.
    ///
    /// No more than there is, and by words: it has just been written so, and to read
    /// it otherwise has to wait until that is done.
    #[inline]
    pub(crate) fn move_to(&mut self, empty: &mut Self) {
        debug_assert!(empty.is_empty());
        let words = match self.content {
            Content::Nothing => 0,
            Content::Value(of) => of.words,
            Content::Failure => 1,
        };
        if words == 1 {
            empty.words[0] = self.words[0];
        } else {
            empty.words[..words].copy_from_slice(&self.words[..words]);
        }
        empty.content = std::mem::replace(&mut self.content, Content::Nothing);
    }

    /// Moves the whole content out, of whatever type.
    pub(crate) fn take_all(&mut self) -> Self {
        std::mem::replace(self, Self::empty())
    }
}

impl<M> Slot<M> {
    #[cold]
    fn drop_content(&mut self) {
        match std::mem::replace(&mut self.content, Content::Nothing) {
            Content::Nothing => {}
            Content::Value(of) => {
                if let Some(drop) = of.drop {
                    // SAFETY: such a value is there, and `content` no longer says so.
                    unsafe { drop(self.words.as_mut_ptr()) }
                }
            }
            Content::Failure => {
                // SAFETY: a failure is there, and `content` no longer says so.
                drop_contained(unsafe { read::<Failure>(self.words.as_ptr(), false) });
            }
        }
    }
}

impl<M> Drop for Slot<M> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.content, Content::Nothing) {
            self.drop_content();
        }
    }
}
