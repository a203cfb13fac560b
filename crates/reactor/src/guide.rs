//! Doctests of the pages of `docs/` about the reactor.
//!
//! The pages are not in the published package, so `lib.rs` has this module only under
//! `cfg(doctest)`. Chapters 1 to 8 are doctests of `deferred`, chapter 21 is one of `reactor-tls`,
//! 24 to 32 are ones of `reactor-web`, and 33 is one of the package `tests`.

#[doc = include_str!("../../../docs/guide/09-the-loop.md")]
struct TheLoop;

#[doc = include_str!("../../../docs/guide/10-protocols.md")]
struct Protocols;

#[doc = include_str!("../../../docs/guide/11-factories.md")]
struct Factories;

#[doc = include_str!("../../../docs/guide/12-timers.md")]
struct Timers;

#[doc = include_str!("../../../docs/guide/13-deferreds-in-protocols.md")]
struct DeferredsInProtocols;

#[doc = include_str!("../../../docs/guide/14-backpressure.md")]
struct Backpressure;

#[doc = include_str!("../../../docs/guide/15-stopping.md")]
struct Stopping;

#[doc = include_str!("../../../docs/guide/16-threads.md")]
struct Threads;

#[doc = include_str!("../../../docs/guide/17-async-in-the-loop.md")]
struct AsyncInTheLoop;

#[doc = include_str!("../../../docs/guide/18-datagrams-and-children.md")]
struct DatagramsAndChildren;

#[doc = include_str!("../../../docs/guide/19-testing-without-sockets.md")]
struct TestingWithoutSockets;

#[doc = include_str!("../../../docs/guide/20-filters.md")]
struct Filters;

#[doc = include_str!("../../../docs/guide/22-endpoints.md")]
struct Endpoints;

#[doc = include_str!("../../../docs/guide/23-services.md")]
struct Services;

#[doc = include_str!("../../../docs/recipes.md")]
struct Recipes;

#[doc = include_str!("../../../docs/coming-from-tokio.md")]
struct ComingFromTokio;

#[doc = include_str!("../../../docs/zh/getting-started-reactor.md")]
struct GettingStartedChinese;

#[doc = include_str!("../../../README.zh.md")]
struct ReadmeChinese;
