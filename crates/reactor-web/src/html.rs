//! `escape_html`: escapes text for HTML.

/// Escapes `text` for HTML, in an element or in a quoted attribute value, so that text from users
/// cannot become markup.
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
