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

/// How a place of words keeps a `T`: in itself, or in a box.
pub(super) trait Placement<T> {
    /// Whether it keeps a box of it. A constant, so that code is compiled for that case or for the
    /// other one only.
    const BOXED: bool;
}

/// Moves `value` to `place`, as `K` says.
///
/// # Safety
/// `place` is aligned to a word and valid for writes of `words_of` of a `T`, or
/// of one word if it is boxed; if not, a word's alignment is enough for `T`.
#[inline(always)]
pub(super) unsafe fn write<K: Placement<T>, T>(place: *mut Word, value: T) {
    if K::BOXED {
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
/// `place` holds a `T` written by [`write`] with the same `K`, which is not
/// used again afterwards.
#[inline(always)]
pub(super) unsafe fn read<K: Placement<T>, T>(place: *const Word) -> T {
    if K::BOXED {
        // SAFETY: by contract.
        *unsafe { place.cast::<Box<T>>().read() }
    } else {
        // SAFETY: by contract.
        unsafe { place.cast::<T>().read() }
    }
}
