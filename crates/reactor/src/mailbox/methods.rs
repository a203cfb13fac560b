//! Methods that the contexts of all protocols have, and those of all handles.
//!
//! They are macros, so that each type has the methods on its own page of the documentation,
//! with its own noun, where one generic type would add a parameter to every signature of a
//! handler.

/// Gives a context the methods that all contexts have. `$noun` is what the protocol is for,
/// and `$over` how that ends; the documentation of `when` and `call_every` goes on with what
/// stands before these words.
macro_rules! context_methods {
    (
        $context:ident, $protocol:ident, $noun:literal, $over:literal;
        $(#[$when:meta])*
        when;
        $(#[$call_every:meta])*
        call_every;
    ) => {
        impl<'a, P: $protocol> $context<'a, P> {
            /// The reactor.
            pub fn reactor(&self) -> &'a $crate::handle::ReactorHandle {
                $crate::mailbox::MailboxOwner::reactor(self.source)
            }

            /// Calls `f` with the protocol when `deferred` has its result.
            ///
            /// The loop makes the call, after the handler that is running then. If the
            #[doc = concat!($noun, " is ", $over, " first, `f` is not called, `deferred` goes on,")]
            /// and a failure is reported as unhandled.
            $(#[$when])*
            pub fn when<T, F, H>(&mut self, deferred: ::deferred::Deferred<T>, f: F)
            where
                T: 'static,
                F: FnOnce(&mut P, &mut $context<'_, P>, ::deferred::Result<T>) -> H + 'static,
                H: $crate::mailbox::Handled,
            {
                $crate::mailbox::MailboxOwner::when(self.source, deferred, f);
            }

            /// As [`when`](Self::when), and cancels `deferred` if the
            #[doc = concat!($noun, " is ", $over, " first.")]
            pub fn when_or_cancel<T, F, H>(&mut self, deferred: ::deferred::Deferred<T>, f: F)
            where
                T: 'static,
                F: FnOnce(&mut P, &mut $context<'_, P>, ::deferred::Result<T>) -> H + 'static,
                H: $crate::mailbox::Handled,
            {
                $crate::mailbox::MailboxOwner::when_or_cancel(self.source, deferred, f);
            }

            /// Calls `f` with the protocol, `delay` from now, unless the
            #[doc = concat!($noun, " is ", $over, " first.")]
            pub fn call_later<F, H>(
                &mut self,
                delay: ::std::time::Duration,
                f: F,
            ) -> ::deferred::DelayedCall
            where
                F: FnOnce(&mut P, &mut $context<'_, P>) -> H + 'static,
                H: $crate::mailbox::Handled,
            {
                $crate::mailbox::MailboxOwner::call_later(self.source, delay, f)
            }

            /// Calls `f` with the protocol every `interval`, first after one interval, until
            #[doc = concat!("the loop that this gives is stopped or the ", $noun, " is ", $over, ".")]
            ///
            /// Being late does not add up: the k-th call is due k intervals from now, and times
            /// that have gone by when a call ends are left out. (Twisted: `LoopingCall`.)
            $(#[$call_every])*
            #[doc(alias = "interval")]
            #[doc(alias = "LoopingCall")]
            pub fn call_every<F, H>(
                &mut self,
                interval: ::std::time::Duration,
                f: F,
            ) -> ::deferred::LoopingCall
            where
                F: FnMut(&mut P, &mut $context<'_, P>) -> H + 'static,
                H: $crate::mailbox::Handled,
            {
                $crate::mailbox::MailboxOwner::call_every(self.source, interval, f)
            }
        }
    };
}

/// Gives a handle the methods and traits that all handles have. `$error` is the type, and
/// `$closed` the value that says that the `$noun` is gone.
macro_rules! handle_methods {
    ($handle:ident, $context:ident, $protocol:ident, $noun:literal, $error:ty, $closed:literal) => {
        impl<P: $protocol> $handle<P> {
            #[doc = concat!("Whether the ", $noun, " is gone.")]
            #[doc(alias = "is_closed")]
            pub fn is_gone(&self) -> bool {
                self.source.get().is_err()
            }

            /// Calls `f` with the protocol, in this turn of the loop, after the handler that is
            /// running.
            ///
            /// An error of `f` counts as one of a handler of the protocol.
            ///
            /// # Errors
            ///
            #[doc = concat!($closed, " if the ", $noun, " is gone; `f` is dropped.")]
            pub fn post<F, H>(&self, f: F) -> ::std::result::Result<(), $error>
            where
                F: FnOnce(&mut P, &mut $context<'_, P>) -> H + 'static,
                H: $crate::mailbox::Handled,
            {
                self.source.post(f)
            }

            /// Calls `f` as [`post`](Self::post) does, and gives what it returns: a value, a
            /// failure, or the result of a Deferred. A failure or a panic of `f` is the
            /// caller's, and none of the protocol.
            ///
            /// Cancelling the Deferred of the call withdraws `f`, if it was not called yet;
            /// afterwards, it cancels the Deferred that `f` has returned.
            ///
            /// # Errors
            ///
            #[doc = concat!("Through the Deferred: ", $closed, " if the ", $noun, " is gone, and")]
            /// [`Abandoned`](deferred::Abandoned) if it ends before `f` was called.
            pub fn call<F, O>(&self, f: F) -> ::deferred::Deferred<O::Value>
            where
                F: FnOnce(&mut P, &mut $context<'_, P>) -> O + 'static,
                O: ::deferred::Outcome,
            {
                self.source.call(f)
            }
        }

        #[doc = concat!("Two are equal if they are handles on the same ", $noun, ".")]
        impl<P: $protocol> PartialEq for $handle<P> {
            fn eq(&self, other: &Self) -> bool {
                self.source.is_same(&other.source)
            }
        }

        impl<P: $protocol> Eq for $handle<P> {}

        impl<P: $protocol> ::std::hash::Hash for $handle<P> {
            fn hash<S: ::std::hash::Hasher>(&self, state: &mut S) {
                // By address, as `eq`.
                self.source.as_ptr().hash(state);
            }
        }
    };
}

pub(crate) use {context_methods, handle_methods};
