//! `ProcessContext`: what a handler can do.

use std::fmt;
use std::time::Duration;

use deferred::{Deferred, DelayedCall, Result};

use super::error::ProcessError;
use super::handle::Process;
use super::protocol::ProcessProtocol;
use super::source::ProcessSource;
use crate::connection::Handled;
use crate::handle::ReactorHandle;
use crate::mailbox::MailboxOwner;
use crate::signals::Signal;

/// The number of the standard input.
const STDIN: i32 = 0;

/// What a handler of a [`ProcessProtocol`] is given: its child, and the reactor.
///
/// What is asked for here takes effect when the handler returns.
///
/// # Examples
///
/// A conversation with a child:
///
/// ```
/// use reactor::{Command, ProcessContext, ProcessProtocol, Reactor};
///
/// struct Calculator;
///
/// impl ProcessProtocol for Calculator {
///     fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
///         Ok(cx.write("6 7\n")?)
///     }
///     fn out_received(
///         &mut self,
///         cx: &mut ProcessContext<'_, Self>,
///         data: &[u8],
///     ) -> deferred::Result<()> {
///         println!("the answer is {}", String::from_utf8_lossy(data));
///         cx.close_stdin();
///         Ok(cx.reactor().stop()?)
///     }
/// }
///
/// let reactor = Reactor::new()?;
/// let script = "while read x y; do echo $((x * y)); done";
/// reactor.spawn_process(Command::new("sh").args(["-c", script]), Calculator)?;
/// reactor.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProcessContext<'a, P: ProcessProtocol> {
    source: &'a ProcessSource<P>,
}

impl<'a, P: ProcessProtocol> ProcessContext<'a, P> {
    pub(super) fn new(source: &'a ProcessSource<P>) -> Self {
        Self { source }
    }

    /// Writes to the child's standard input. All that a handler writes goes out together
    /// when it returns; what the child does not take at once waits, and goes as it takes
    /// it.
    ///
    /// # Errors
    ///
    /// That pipe is closed, or was never there; or too much waits already: see
    /// [`Command::max_buffered`](crate::Command::max_buffered). Nothing is taken then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.write("stop at the end\n")?;
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # let script = "read line; test \"$line\" = 'stop at the end'";
    /// # reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), ProcessError> {
        self.source.write(STDIN, bytes.as_ref())
    }

    /// Writes to the child's descriptor of this number.
    ///
    /// # Errors
    ///
    /// As for [`write`](Self::write).
    ///
    /// # Examples
    ///
    /// A child that takes its orders from descriptor 3:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.write_to_child(3, "go\n")?;
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// use reactor::ChildFd;
    ///
    /// let script = "read order <&3; test $order = go";
    /// let command = Command::new("sh").args(["-c", script]).fd(3, ChildFd::Write);
    /// reactor.spawn_process(command, Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn write_to_child(
        &mut self,
        number: i32,
        bytes: impl AsRef<[u8]>,
    ) -> Result<(), ProcessError> {
        self.source.write(number, bytes.as_ref())
    }

    /// Fires when all that was written to the child's descriptor of this number has gone:
    /// so that the next piece of something long can be written.
    ///
    /// # Errors
    ///
    /// Through the Deferred: the pipe is closed, or gets closed before that.
    ///
    /// # Examples
    ///
    /// Something long, in pieces:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     write(cx, 3)
    /// }
    /// # }
    ///
    /// fn write(cx: &mut ProcessContext<'_, Worker>, pieces: u32) -> deferred::Result<()> {
    ///     if pieces == 0 {
    ///         cx.close_stdin();
    ///         return Ok(());
    ///     }
    ///     cx.write(vec![b'x'; 100_000])?;
    ///     let gone = cx.drained(0);
    ///     cx.when(gone, move |_this, cx, gone| gone.and_then(|()| write(cx, pieces - 1)));
    ///     Ok(())
    /// }
    /// # let reactor = Reactor::new()?;
    /// # let (trigger, ended) = Deferred::pair();
    /// # let script = "test $(wc -c) = 300000";
    /// # reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn drained(&mut self, number: i32) -> Deferred<()> {
        self.source.drained(number)
    }

    /// Closes the child's standard input as soon as everything written so far has gone.
    ///
    /// # Examples
    ///
    /// For a program that goes on when it has read everything:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.write("two words")?;
    ///     cx.close_stdin();
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # let script = "test $(wc -w) = 2";
    /// # reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_stdin(&mut self) {
        self.source.close(STDIN);
    }

    /// Closes the pipe of the child's standard output: it cannot write to it any more.
    ///
    /// # Examples
    ///
    /// Ends a program that writes without end, once there is enough:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn out_received(&mut self, cx: &mut ProcessContext<'_, Self>, _: &[u8]) -> deferred::Result<()> {
    ///     cx.close_stdout();
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// reactor.spawn_process(Command::new("yes"), Worker(trigger))?;
    /// assert!(!reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_stdout(&mut self) {
        self.source.close(1);
    }

    /// Closes the pipe of the child's standard error.
    ///
    /// # Examples
    ///
    /// For a child that complains too much:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn err_received(
    ///     &mut self,
    ///     cx: &mut ProcessContext<'_, Self>,
    ///     data: &[u8],
    /// ) -> deferred::Result<()> {
    ///     eprint!("{}", String::from_utf8_lossy(data));
    ///     cx.close_stderr();
    ///     Ok(())
    /// }
    /// fn err_connection_lost(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.close_stdin();
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # let script = "echo so bad >&2; read line";
    /// # reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().is_some());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_stderr(&mut self) {
        self.source.close(2);
    }

    /// Closes the pipe of the child's descriptor of this number, if it is open: one that
    /// is written to as soon as everything has gone.
    ///
    /// # Examples
    ///
    /// Tells the child that nothing more comes at descriptor 3:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.write_to_child(3, "pear\napple\n")?;
    ///     cx.close_child_fd(3);
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # use reactor::ChildFd;
    /// # let script = "test $(wc -l <&3) = 2";
    /// # let command = Command::new("sh").args(["-c", script]).fd(3, ChildFd::Write);
    /// # reactor.spawn_process(command, Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close_child_fd(&mut self, number: i32) {
        self.source.close(number);
    }

    /// Closes all pipes. The child is not signalled, and still waited for.
    ///
    /// # Examples
    ///
    /// Does not wait for the output of what the child has left running:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn process_exited(
    ///     &mut self,
    ///     cx: &mut ProcessContext<'_, Self>,
    ///     _: Option<std::process::ExitStatus>,
    /// ) -> deferred::Result<()> {
    ///     cx.lose_connection();
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// let script = "sleep 10 & exit 0";
    /// reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lose_connection(&mut self) {
        self.source.close_all();
    }

    /// Sends a signal to the child. (Twisted: `signalProcess`.)
    ///
    /// # Errors
    ///
    /// It has exited, or the system refuses.
    ///
    /// # Examples
    ///
    /// Asks first, and kills what does not hear:
    ///
    /// ```
    /// # use reactor::{ProcessContext, ProcessProtocol, Signal};
    /// # use std::time::Duration;
    /// # struct Worker;
    /// # impl ProcessProtocol for Worker {
    /// fn out_connection_lost(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.signal(Signal::TERM)?;
    ///     cx.call_later(Duration::from_secs(5), |_this, cx| cx.kill());
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn signal(&mut self, signal: Signal) -> Result<(), ProcessError> {
        self.source.signal(signal)
    }

    /// Kills the child, if it has not exited.
    ///
    /// # Examples
    ///
    /// Ends a child that says something wrong:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn out_received(
    ///     &mut self,
    ///     cx: &mut ProcessContext<'_, Self>,
    ///     data: &[u8],
    /// ) -> deferred::Result<()> {
    ///     if !data.starts_with(b"ok") {
    ///         cx.kill();
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// reactor.spawn_process(Command::new("yes"), Worker(trigger))?;
    /// assert_eq!(reactor.block_on(ended)?.status().unwrap().code(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill(&mut self) {
        self.source.kill();
    }

    /// Reads nothing from the child until [`resume_reading`](Self::resume_reading). It has
    /// to wait when its pipes are full. (Twisted: `pauseProducing`.)
    ///
    /// # Examples
    ///
    /// Takes a piece now and then, and lets the child wait meanwhile:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn out_received(
    ///     &mut self,
    ///     cx: &mut ProcessContext<'_, Self>,
    ///     data: &[u8],
    /// ) -> deferred::Result<()> {
    ///     println!("{} bytes", data.len());
    ///     cx.pause_reading();
    ///     let moment = std::time::Duration::from_millis(1);
    ///     cx.call_later(moment, |_this, cx| cx.resume_reading());
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # reactor.spawn_process(Command::new("echo").arg("hello"), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause_reading(&mut self) {
        self.source.set_paused(true);
    }

    /// Undoes [`pause_reading`](Self::pause_reading).
    ///
    /// # Examples
    ///
    /// Reads nothing until it knows what to do with it:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     cx.pause_reading();
    ///     let asking = cx.reactor().defer_to_thread(|| Ok("settings"));
    ///     cx.when(asking, |_this, cx, settings| {
    ///         println!("{:?}", settings?);
    ///         cx.resume_reading();
    ///         Ok(())
    ///     });
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # reactor.spawn_process(Command::new("echo").arg("hello"), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume_reading(&mut self) {
        self.source.set_paused(false);
    }

    /// The child's number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     println!("started as number {}", cx.pid());
    ///     assert!(cx.pid() > 0);
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # reactor.spawn_process(Command::new("true"), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pid(&self) -> u32 {
        self.source.pid()
    }

    /// A handle on this child, to be kept elsewhere.
    ///
    /// # Examples
    ///
    /// A handle for a callback elsewhere:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     let process = cx.process();
    ///     cx.reactor().call_when_running(move || process.close_stdin());
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// reactor.spawn_process(Command::new("cat"), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn process(&self) -> Process<P> {
        Process::new(self.source)
    }

    /// The reactor.
    ///
    /// # Examples
    ///
    /// A program that ends with its child:
    ///
    /// ```
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker;
    /// # impl ProcessProtocol for Worker {
    /// fn process_ended(&mut self, cx: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
    ///     println!("{ended}");
    ///     cx.reactor().stop().unwrap();
    /// }
    /// # }
    ///
    /// let reactor = Reactor::new()?;
    /// reactor.spawn_process(Command::new("true"), Worker)?;
    /// reactor.run()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reactor(&self) -> &'a ReactorHandle {
        self.source.reactor()
    }

    /// Calls `f` with the protocol when `deferred` has its result.
    ///
    /// It is called from the loop, after the handler that is running then. If the child
    /// is over before that, it is not called, `deferred` is left alone, and a failure is
    /// reported as unhandled.
    ///
    /// # Examples
    ///
    /// The child gets what was found out meanwhile:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     let looking = cx.reactor().resolve("192.0.2.1", 80);
    ///     cx.when(looking, |_this, cx, found| {
    ///         cx.write(format!("{}\n", found?[0]))?;
    ///         Ok(())
    ///     });
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    /// # let script = "read address; test $address = 192.0.2.1:80";
    /// # reactor.spawn_process(Command::new("sh").args(["-c", script]), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn when<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.source.when(deferred, f);
    }

    /// As [`when`](Self::when), and cancels `deferred` if the child is over first.
    ///
    /// # Examples
    ///
    /// What a child waits for is no use when it is over:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     let (_trigger, answer) = Deferred::<String>::with_canceller(|_| println!("never mind"));
    ///     cx.when_or_cancel(answer, |_this, cx, answer| {
    ///         cx.write(answer?).map_err(deferred::Failure::from)
    ///     });
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// reactor.spawn_process(Command::new("true"), Worker(trigger))?;
    /// # assert!(reactor.block_on(ended)?.status().unwrap().success());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn when_or_cancel<T, F, H>(&mut self, deferred: Deferred<T>, f: F)
    where
        T: 'static,
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>, Result<T>) -> H + 'static,
        H: Handled,
    {
        self.source.when_or_cancel(deferred, f);
    }

    /// Calls `f` with the protocol, `delay` from now. It is cancelled if the child is over
    /// first.
    ///
    /// # Examples
    ///
    /// Ends a child that takes too long:
    ///
    /// ```
    /// # use deferred::{Deferred, Trigger};
    /// # use reactor::{Command, ProcessContext, ProcessEnded, ProcessProtocol, Reactor};
    /// # struct Worker(Trigger<ProcessEnded>); impl ProcessProtocol for Worker {
    /// # fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) { self.0.callback(ended).unwrap(); }
    /// fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> deferred::Result<()> {
    ///     let moment = std::time::Duration::from_millis(10);
    ///     cx.call_later(moment, |_this, cx| cx.kill());
    ///     Ok(())
    /// }
    /// # }
    /// # let reactor = Reactor::new()?; let (trigger, ended) = Deferred::pair();
    ///
    /// reactor.spawn_process(Command::new("sleep").arg("3600"), Worker(trigger))?;
    /// assert_eq!(reactor.block_on(ended)?.status().unwrap().code(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_later<F, H>(&mut self, delay: Duration, f: F) -> DelayedCall
    where
        F: FnOnce(&mut P, &mut ProcessContext<'_, P>) -> H + 'static,
        H: Handled,
    {
        self.source.call_later(delay, f)
    }
}

impl<P: ProcessProtocol> fmt::Debug for ProcessContext<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessContext")
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
