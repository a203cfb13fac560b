//! Input in pieces, as a network may cut it.

/// `data` in pieces of 1 to `most` bytes, whose sizes are made of those in `sizes`, again and again.
pub(crate) fn split<'a>(data: &'a [u8], sizes: &[u8], most: u8) -> Vec<&'a [u8]> {
    let mut rest = data;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let size = usize::from(size % most) + 1;
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}
