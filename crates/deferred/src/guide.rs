//! Doctests of the pages of `docs/`.
//!
//! The pages are not in the published package. So `lib.rs` has this module only under
//! `cfg(doctest)`.

#[doc = include_str!("../../../docs/guide/01-deferreds.md")]
struct Deferreds;

#[doc = include_str!("../../../docs/guide/02-callbacks-and-errbacks.md")]
struct TwoLines;

#[doc = include_str!("../../../docs/guide/03-waiting.md")]
struct Waiting;

#[doc = include_str!("../../../docs/guide/04-cancelling.md")]
struct Cancelling;

#[doc = include_str!("../../../docs/guide/05-several-at-once.md")]
struct SeveralAtOnce;

#[doc = include_str!("../../../docs/guide/06-lock-semaphore-queue.md")]
struct WhoMayGoNext;

#[doc = include_str!("../../../docs/guide/07-time.md")]
struct Time;

/// The page has a program of several threads.
#[cfg(feature = "sync")]
#[doc = include_str!("../../../docs/guide/08-async-and-threads.md")]
struct AsyncAndThreads;

#[doc = include_str!("../../../docs/coming-from-twisted.md")]
struct ComingFromTwisted;

#[doc = include_str!("../../../docs/coming-from-async-await.md")]
struct ComingFromAsyncAwait;

#[doc = include_str!("../../../docs/coming-from-javascript.md")]
struct ComingFromJavaScript;

#[doc = include_str!("../../../docs/borrows.md")]
struct Borrows;

#[doc = include_str!("../../../docs/your-own-loop.md")]
struct YourOwnLoop;

#[doc = include_str!("../../../docs/zh/getting-started.md")]
struct GettingStartedChinese;
