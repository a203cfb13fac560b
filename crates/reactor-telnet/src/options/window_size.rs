//! `WindowSize`: the content of the option of that name.

/// Size of a terminal, in characters. A zero means that the client does not know this number.
///
/// # Examples
///
/// ```
/// use reactor_telnet::WindowSize;
///
/// let size = WindowSize::from_bytes(&[0, 80, 0, 24]).unwrap();
/// assert_eq!((size.columns, size.rows), (80, 24));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WindowSize {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

impl WindowSize {
    /// From the content of a subnegotiation; `None` if that is not four bytes long.
    pub fn from_bytes(content: &[u8]) -> Option<Self> {
        let &[a, b, c, d] = content else { return None };
        Some(Self {
            columns: u16::from_be_bytes([a, b]),
            rows: u16::from_be_bytes([c, d]),
        })
    }

    /// The content of a subnegotiation.
    pub fn to_bytes(self) -> [u8; 4] {
        let [a, b] = self.columns.to_be_bytes();
        let [c, d] = self.rows.to_be_bytes();
        [a, b, c, d]
    }
}
