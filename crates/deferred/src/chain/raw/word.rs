//! Words: the unit of storage for values without their types.

use std::mem::MaybeUninit;

pub(super) type Word = MaybeUninit<u64>;

pub(super) const fn words_of<T>() -> usize {
    size_of::<T>().div_ceil(size_of::<Word>())
}

/// Whether alignment to a word is enough for a `T`.
pub(super) const fn word_aligned<T>() -> bool {
    align_of::<T>() <= align_of::<Word>()
}

/// Moves `value` to `place`, boxed if `BOXED`.
///
/// # Safety
/// `place` is aligned to a word and valid for writes of `words_of` of a `T`, or
/// of one word if `BOXED`; if not `BOXED`, a word's alignment is enough for `T`.
#[inline(always)]
pub(super) unsafe fn write<T>(place: *mut Word, value: T, boxed: bool) {
    if boxed {
        // SAFETY: by contract.
        unsafe { place.cast::<Box<T>>().write(Box::new(value)) }
    } else {
        // SAFETY: by contract.
        unsafe { place.cast::<T>().write(value) }
    }
}

/// Moves out what [`write`] put at `place`.
///
/// # Safety
/// `place` holds a `T` written by [`write`] with the same `boxed`, which is not
/// used again afterwards.
#[inline(always)]
pub(super) unsafe fn read<T>(place: *const Word, boxed: bool) -> T {
    if boxed {
        // SAFETY: by contract.
        *unsafe { place.cast::<Box<T>>().read() }
    } else {
        // SAFETY: by contract.
        unsafe { place.cast::<T>().read() }
    }
}
