//! `WindowSize`: rows and columns of a child's terminal.

/// How many characters a terminal shows.
///
/// # Examples
///
/// ```
/// use reactor::WindowSize;
///
/// let size = WindowSize::default();
/// assert_eq!((size.rows, size.columns), (24, 80));
/// assert_ne!(size, WindowSize::new(50, 132));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "winsize")]
pub struct WindowSize {
    /// How many lines.
    pub rows: u16,
    /// How many characters in a line.
    pub columns: u16,
}

impl WindowSize {
    /// A terminal of so many lines and columns.
    pub const fn new(rows: u16, columns: u16) -> Self {
        Self { rows, columns }
    }
}

/// That of the classic terminal: 24 lines of 80 characters.
impl Default for WindowSize {
    fn default() -> Self {
        Self::new(24, 80)
    }
}

impl From<WindowSize> for (u16, u16) {
    fn from(size: WindowSize) -> Self {
        (size.rows, size.columns)
    }
}
