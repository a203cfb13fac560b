//! Counted permits (tokens): the mechanism of lock and semaphore.

use std::fmt;

use super::waiters::{HasWaiters, Tickets, Waiters, WaitsIn, wait_in_line};
use crate::chain::{Fits, Flavour, Receiver, Sender, Skips, Stage, Step, hand_over};
use crate::failure::Result;
use crate::stage_trace::CallSite;

/// The tokens of one lock or semaphore; `G` is the guard that users hold.
pub(crate) struct Tokens<M: Flavour, G: 'static> {
    state: M::Handle<TokenState<M, G>>,
}

pub(crate) struct TokenState<M: Flavour, G> {
    /// INVARIANT: zero while there is a waiter.
    free: usize,
    limit: usize,
    waiters: Waiters<M, G>,
    tickets: Tickets,
}

/// One token. Dropping it hands it to the next waiter, or back.
pub(crate) struct Token<M: Flavour, G>
where
    G: Fits<M> + From<Self>,
{
    state: M::Handle<TokenState<M, G>>,
}

impl<M: Flavour, G: Fits<M>> HasWaiters<M> for TokenState<M, G> {
    type Left = Option<(Sender<M, G>, ())>;

    fn tickets(&mut self) -> &mut Tickets {
        &mut self.tickets
    }

    fn leave(&mut self, ticket: u64) -> Self::Left {
        self.waiters.remove(ticket)
    }
}

impl<M: Flavour, G: Fits<M> + From<Token<M, G>>> Tokens<M, G> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: M::handle(TokenState {
                free: limit,
                limit,
                waiters: Waiters::new(),
                tickets: Tickets::default(),
            }),
        }
    }

    pub(crate) fn free(&self) -> usize {
        M::with(&self.state, |state| state.free)
    }

    pub(crate) fn limit(&self) -> usize {
        M::with(&self.state, |state| state.limit)
    }

    /// Takes a token, or waits for one.
    pub(crate) fn acquire(&self, made_at: CallSite) -> Receiver<M, G>
    where
        M: WaitsIn<TokenState<M, G>>,
    {
        let taken = wait_in_line::<M, _, _, _>(
            &self.state,
            made_at,
            |state| {
                // Zero while there is a waiter, so no caller overtakes one.
                state.free = state.free.checked_sub(1)?;
                Some(())
            },
            |state, ticket, sender| state.waiters.insert(ticket, sender, ()),
        );
        match taken {
            Ok(()) => {
                let state = self.state.clone();
                Receiver::Ready(Ok(G::from(Token { state })))
            }
            Err(receiver) => receiver,
        }
    }

    /// Calls `f` with a token that is held until the outcome of `f` is there.
    pub(crate) fn run<U, F>(&self, f: F, called_at: CallSite) -> Receiver<M, U>
    where
        M: WaitsIn<TokenState<M, G>>,
        U: Fits<M>,
        F: FnOnce() -> Step<M, U>,
        Holding<F>: Fits<M>,
        Release<G>: Fits<M>,
    {
        self.acquire(called_at)
            .add(Holding { f, called_at }, called_at)
    }
}

impl<M: Flavour, G> Clone for Tokens<M, G> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
        }
    }
}

impl<M: Flavour, G: Fits<M> + From<Self>> Drop for Token<M, G> {
    fn drop(&mut self) {
        let next = M::with(&self.state, |state| {
            let next = state.waiters.pop();
            // A token for which there is a waiter does not become free: otherwise a new caller
            // could overtake the waiter.
            state.free += usize::from(next.is_none());
            next
        });
        let Some((next, ())) = next else { return };
        let state = self.state.clone();
        match next.fire_unrun(Ok(G::from(Self { state }))) {
            Ok(Some(waiter)) => hand_over(waiter),
            Ok(None) => {}
            // Another thread has just cancelled this waiter: the drop hands the token to the
            // next one.
            Err(refused) => drop(refused),
        }
    }
}

impl<M: Flavour, G: Fits<M> + From<Self>> fmt::Debug for Token<M, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Stage that calls `F` with a token that is held until the outcome of `F` is there.
pub(crate) struct Holding<F> {
    f: F,
    called_at: CallSite,
}

impl<M, G, U, F> Stage<M, G> for Holding<F>
where
    Self: Fits<M>,
    Release<G>: Fits<M>,
    M: Flavour,
    U: Fits<M>,
    F: FnOnce() -> Step<M, U>,
{
    type Out = U;
    const SKIPS: Skips = Skips::Failures;

    fn run(self, token: Result<G>) -> Step<M, U> {
        let token = match token {
            Ok(token) => token,
            Err(failure) => return Step::Done(Err(failure)),
        };
        match (self.f)() {
            Step::Wait(link) => Receiver::Linked(link)
                .add(Release(token), self.called_at)
                .into_step(),
            step => {
                // Done at once: the token is released before the result goes on.
                drop(token);
                step
            }
        }
    }
}

/// Last stage of the Deferred that `F` returned: releases the token.
pub(crate) struct Release<G>(G);

impl<M, T, G> Stage<M, T> for Release<G>
where
    Self: Fits<M>,
    M: Flavour,
    T: Fits<M>,
{
    type Out = T;
    const SKIPS: Skips = Skips::Nothing;

    fn run(self, input: Result<T>) -> Step<M, T> {
        drop(self.0);
        Step::Done(input)
    }
}
