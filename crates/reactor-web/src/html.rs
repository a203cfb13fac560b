//! Text in HTML.

/// `text` as it is to stand in HTML, in an element or in the quotes of an attribute: what users have
/// written cannot become a tag.
///
/// # Examples
///
/// ```
/// use reactor_web::escape_html;
///
/// assert_eq!(escape_html("<b>\"a\" & 'b'"), "&lt;b&gt;&quot;a&quot; &amp; &#39;b&#39;");
/// ```
pub fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // HTML 4 does not know `&apos;`.
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
