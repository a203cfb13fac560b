//! Variance: both ends of a chain are invariant in the type of their value.
//!
//! A chain checks the type of a result by its [`TypeId`](std::any::TypeId). Types that
//! are subtypes of one another, such as `for<'a> fn(&'a str)` and `fn(&'static str)`, have
//! different ids. So an end must not turn into an end of another type, as a covariant end would
//! do silently: it would not find its result.
//!
//! The first example compiles. Each of the others differs from it in one type, and must not.
//!
//! ```
//! type General = for<'a> fn(&'a str);
//! type Special = fn(&'static str);
//! let (trigger, deferred) = deferred::Deferred::<General>::pair();
//! let _: deferred::WeakTrigger<General> = trigger.downgrade();
//! let _: deferred::Deferred<General> = deferred;
//! let _: deferred::Trigger<General> = trigger;
//! let general: General = |_text| {};
//! let _: Special = general; // outside of a chain, the one type is a subtype of the other
//! # #[cfg(feature = "sync")]
//! # {
//! let (trigger, deferred) = deferred::sync::Deferred::<General>::pair();
//! let _: deferred::sync::WeakTrigger<General> = trigger.downgrade();
//! let _: deferred::sync::Deferred<General> = deferred;
//! let _: deferred::sync::Trigger<General> = trigger;
//! # }
//! ```
//!
//! ```compile_fail,E0308
//! let (_, end) = deferred::Deferred::<for<'a> fn(&'a str)>::pair();
//! let _: deferred::Deferred<fn(&'static str)> = end;
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::Deferred::<fn(&'static str)>::pair();
//! let _: deferred::Trigger<for<'a> fn(&'a str)> = end;
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::Deferred::<for<'a> fn(&'a str)>::pair();
//! let _: deferred::Trigger<fn(&'static str)> = end;
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::Deferred::<fn(&'static str)>::pair();
//! let _: deferred::WeakTrigger<for<'a> fn(&'a str)> = end.downgrade();
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::Deferred::<for<'a> fn(&'a str)>::pair();
//! let _: deferred::WeakTrigger<fn(&'static str)> = end.downgrade();
//! ```
//!
//! ```compile_fail,E0308
//! let (_, end) = deferred::Deferred::<for<'a> fn(&'a str)>::pair();
//! let list = deferred::DeferredList::new([end]);
//! let _: deferred::DeferredList<fn(&'static str)> = list;
//! ```
//!
//! ```compile_fail,E0308
//! let queue = deferred::DeferredQueue::<for<'a> fn(&'a str)>::new();
//! let _: deferred::DeferredQueue<fn(&'static str)> = queue;
//! ```
//!
//! ```compile_fail,E0308
//! let (_, end) = deferred::sync::Deferred::<for<'a> fn(&'a str)>::pair();
//! let _: deferred::sync::Deferred<fn(&'static str)> = end;
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::sync::Deferred::<fn(&'static str)>::pair();
//! let _: deferred::sync::Trigger<for<'a> fn(&'a str)> = end;
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::sync::Deferred::<for<'a> fn(&'a str)>::pair();
//! let _: deferred::sync::Trigger<fn(&'static str)> = end;
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::sync::Deferred::<fn(&'static str)>::pair();
//! let _: deferred::sync::WeakTrigger<for<'a> fn(&'a str)> = end.downgrade();
//! ```
//!
//! ```compile_fail,E0308
//! let (end, _) = deferred::sync::Deferred::<for<'a> fn(&'a str)>::pair();
//! let _: deferred::sync::WeakTrigger<fn(&'static str)> = end.downgrade();
//! ```
//!
//! ```compile_fail,E0308
//! let (_, end) = deferred::sync::Deferred::<for<'a> fn(&'a str)>::pair();
//! let list = deferred::sync::DeferredList::new([end]);
//! let _: deferred::sync::DeferredList<fn(&'static str)> = list;
//! ```
//!
//! ```compile_fail,E0308
//! let queue = deferred::sync::DeferredQueue::<for<'a> fn(&'a str)>::new();
//! let _: deferred::sync::DeferredQueue<fn(&'static str)> = queue;
//! ```

use std::marker::PhantomData;

/// A field of this type makes its struct invariant in `T`.
pub(crate) type Invariant<T> = PhantomData<fn(T) -> T>;
