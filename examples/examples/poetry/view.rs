//! Output: progress bars in a terminal, plain lines in a pipe.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::poems::Poem;

pub(crate) struct View {
    bars: Option<MultiProgress>,
}

impl View {
    pub(crate) fn new() -> Self {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self {
            bars: is_terminal.then(MultiProgress::new),
        }
    }

    /// Shows how a poem comes in.
    pub(crate) fn track(&self, poem: Poem) -> Track {
        let bar = self.bars.as_ref().map(|bars| {
            let style = ProgressStyle::with_template("{prefix:>10} {bar:40} {bytes:>6} {msg}")
                .expect("the template is a constant");
            bars.add(ProgressBar::new(poem.text.len() as u64))
                .with_style(style)
                .with_prefix(poem.title)
        });
        let title = poem.title;
        Track { title, bar }
    }
}

/// One poem in the view. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Track {
    title: &'static str,
    bar: Option<ProgressBar>,
}

impl Track {
    pub(crate) fn heard(&self, bytes: usize) {
        match &self.bar {
            Some(bar) => bar.inc(bytes as u64),
            None => println!("{:>10}: {bytes} bytes", self.title),
        }
    }

    pub(crate) fn finished(&self, outcome: &str, took: Duration) {
        match &self.bar {
            Some(bar) => bar.abandon_with_message(outcome.to_owned()),
            None => println!(
                "{:>10}: {outcome}, after {:.1} s",
                self.title,
                took.as_secs_f64()
            ),
        }
    }
}
