//! Child processes: output, exit status, a timeout, and a conversation.
//!
//! Twisted's counterpart: `process.py` of "Using Processes", and
//! `getProcessOutputAndValue`.
//!
//! ```text
//! cargo run --example process
//! ```

use std::process::ExitCode;
use std::time::Duration;

use deferred::{Deferred, Result, Trigger};
use reactor::{
    Command, ProcessContext, ProcessEnded, ProcessProtocol, ReactorHandle, SpawnError, react,
};

/// Adds numbers with a shell, one after the other.
struct Adding {
    numbers: Vec<u32>,
    done: Trigger<()>,
}

impl ProcessProtocol for Adding {
    fn connection_made(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        cx.write("total=0\n")?;
        self.next(cx)
    }

    fn out_received(&mut self, cx: &mut ProcessContext<'_, Self>, data: &[u8]) -> Result<()> {
        print!("so far: {}", String::from_utf8_lossy(data));
        self.next(cx)
    }

    fn process_ended(&mut self, _: &mut ProcessContext<'_, Self>, ended: ProcessEnded) {
        println!("{ended}");
        let _ = self.done.callback(());
    }
}

impl Adding {
    fn next(&mut self, cx: &mut ProcessContext<'_, Self>) -> Result<()> {
        match self.numbers.pop() {
            Some(number) => cx.write(format!("echo $((total += {number}))\n"))?,
            None => cx.close_stdin(),
        }
        Ok(())
    }
}

async fn programs(reactor: ReactorHandle) -> Result<()> {
    let text = "The quick brown fox\njumps over the lazy dog\n";
    let counted = Command::new("wc").arg("-w").input(text).output(&reactor);
    println!("{} words", String::from_utf8(counted.await?.stdout)?.trim());

    let failing = Command::new("sh").args(["-c", "echo oh no >&2; exit 3"]);
    let output = failing.output(&reactor).await?;
    let errors = String::from_utf8(output.stderr)?;
    println!("{}: {}", output.status, errors.trim());

    let slow = Command::new("sleep").arg("3600").output(&reactor);
    let killed = slow.add_timeout(Duration::from_millis(50), &reactor).await;
    println!("too slow: {}", killed.unwrap_err());

    let unknown = Command::new("no-such-program").output(&reactor).await;
    let failure = unknown.unwrap_err();
    println!("{:?}", failure.trap::<SpawnError>()?.kind());

    let (done, is_done) = Deferred::pair();
    let numbers = vec![3, 2, 1];
    reactor.spawn_process(Command::new("sh"), Adding { numbers, done })?;
    is_done.await
}

fn main() -> ExitCode {
    react(|reactor| reactor.spawn(programs(reactor.clone())))
}
