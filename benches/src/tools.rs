//! The tools that count: strace and Callgrind. Both write a file when the program
//! that they watch ends.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Counts of a program's life, by what was counted.
pub(crate) type Counts = BTreeMap<String, u64>;

pub(crate) fn is_installed(tool: &str) -> bool {
    Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A file for what a tool writes, of this process alone.
fn output() -> PathBuf {
    std::env::temp_dir().join(format!("benches-{}", std::process::id()))
}

/// A tool that counts over the life of a program.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// What to put before a command, so that the tool writes to this file.
    wrapper: fn(&Path) -> Vec<OsString>,
    /// Reads the counts in what it has written.
    read: fn(&str) -> Counts,
}

/// Counts system calls.
pub(crate) const STRACE: Tool = Tool {
    name: "strace",
    wrapper: strace,
    read: strace_counts,
};

/// Counts user-space instructions.
pub(crate) const CALLGRIND: Tool = Tool {
    name: "valgrind",
    wrapper: callgrind,
    read: callgrind_counts,
};

impl Tool {
    /// Counts a run of `watched`: `run` gets the command, and returns when that has ended.
    pub(crate) fn count<T>(
        &self,
        watched: &[OsString],
        run: impl FnOnce(&[OsString]) -> Result<T, Box<dyn Error>>,
    ) -> Result<(Counts, T), Box<dyn Error>> {
        let output = output();
        let mut command = (self.wrapper)(&output);
        command.extend_from_slice(watched);
        let result = run(&command)?;
        Ok(((self.read)(&take(&output)?), result))
    }

    /// Counts a run of this program with `arguments`.
    pub(crate) fn count_self(&self, arguments: &[&str]) -> Result<Counts, Box<dyn Error>> {
        let (counts, ()) = self.count(&[std::env::current_exe()?.into()], |command| {
            let [tool, wrapper @ ..] = command else {
                unreachable!("a command has a name");
            };
            let status = Command::new(tool).args(wrapper).args(arguments).status()?;
            if !status.success() {
                return Err(format!("{tool:?}, {}: {status}", arguments.join(" ")).into());
            }
            Ok(())
        })?;
        Ok(counts)
    }
}

/// User-space instructions of this program with `arguments`.
pub(crate) fn own_instructions(arguments: &[&str]) -> Result<f64, Box<dyn Error>> {
    let counts = CALLGRIND.count_self(arguments)?;
    let count = counts.values().next().ok_or("no sum in the profile")?;
    Ok(*count as f64)
}

/// For `strace -c`. With `-D` the process that is started is the command's, and strace is
/// another.
fn strace(output: &Path) -> Vec<OsString> {
    let mut command: Vec<OsString> = ["strace", "-D", "-c", "-f", "-o"].map(Into::into).into();
    command.push(output.into());
    command
}

/// For Callgrind.
fn callgrind(output: &Path) -> Vec<OsString> {
    let mut file = OsString::from("--callgrind-out-file=");
    file.push(output);
    let mut command: Vec<OsString> = ["valgrind", "-q", "--tool=callgrind"]
        .map(Into::into)
        .into();
    command.push(file);
    command
}

/// Takes what a tool has written, waiting for its end, which a sum is in both
/// formats: strace may be busy with it when the command is gone already.
fn take(output: &Path) -> io::Result<String> {
    const PAUSE: Duration = Duration::from_millis(10);
    const PATIENCE: u32 = 1000;
    for _ in 0..PATIENCE {
        let text = std::fs::read_to_string(output).unwrap_or_default();
        if text.lines().any(|line| line.contains("total")) {
            std::fs::remove_file(output)?;
            return Ok(text);
        }
        std::thread::sleep(PAUSE);
    }
    Err(io::Error::other("the tool wrote no sum"))
}

/// The lines of a summary: `% time, seconds, usecs/call, calls, [errors,] name`.
fn strace_counts(text: &str) -> Counts {
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (name, calls) = (*words.last()?, words.get(3)?.parse().ok()?);
            (name != "total").then(|| (name.to_owned(), calls))
        })
        .collect()
}

/// The total at the end of a profile; `callgrind_annotate` shows where the instructions were
/// spent.
fn callgrind_counts(text: &str) -> Counts {
    text.lines()
        .filter_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
        .map(|count| (String::from("instructions"), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_strace_is_read() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.000120          12        10           recvfrom
 40.00    0.000080           8         9         3 accept4
------ ----------- ----------- --------- --------- ----------------
100.00    0.000200          10        19         3 total
";
        let expected = [(String::from("recvfrom"), 10), (String::from("accept4"), 9)];
        assert_eq!(strace_counts(text), Counts::from(expected));
    }

    #[test]
    fn the_sum_of_a_profile_is_read() {
        let expected = Counts::from([(String::from("instructions"), 123)]);
        assert_eq!(callgrind_counts("fn=(1)\n12 3\ntotals: 123\n"), expected);
    }
}
