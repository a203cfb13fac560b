//! `WindowSize`: rows and columns of a child's terminal.

/// Size of a terminal's window, in characters.
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
    /// Number of lines.
    pub rows: u16,
    /// Number of characters in a line.
    pub columns: u16,
}

impl WindowSize {
    /// A window of `rows` lines of `columns` characters.
    pub const fn new(rows: u16, columns: u16) -> Self {
        Self { rows, columns }
    }
}

/// 24 lines of 80 characters: the size of a VT100 terminal, which programs assume by default.
impl Default for WindowSize {
    fn default() -> Self {
        Self::new(24, 80)
    }
}

/// The rows, then the columns.
impl From<WindowSize> for (u16, u16) {
    fn from(size: WindowSize) -> Self {
        (size.rows, size.columns)
    }
}
