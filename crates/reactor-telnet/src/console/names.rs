//! Names of types, short enough to be read.

/// The name of a type without the paths: `Telnet<Guest>`.
pub(super) fn short(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    let mut word = String::new();
    for character in name.chars() {
        if character.is_alphanumeric() || character == '_' {
            word.push(character);
        } else if character == ':' {
            word.clear();
        } else {
            short.push_str(&word);
            word.clear();
            short.push(character);
        }
    }
    short + &word
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn paths_are_left_out() {
        assert_eq!(
            short("a::b::Telnet<c::Guest<u8>, d::E>"),
            "Telnet<Guest<u8>, E>"
        );
        assert_eq!(short("main::serve::{{closure}}"), "{{closure}}");
    }
}
