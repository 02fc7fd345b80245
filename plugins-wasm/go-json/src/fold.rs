//! Go's comparison of a JSON key with a struct's key (`encoding/json/fold.go`).

/// Whether `a` and `b` are the same key to Go.
///
/// Go folds every letter of Unicode. Against the ASCII keys of a struct that comes to the ASCII
/// letters and the two others that fold to one of them.
pub(crate) fn same_key(a: &str, b: &str) -> bool {
    a.chars().map(fold).eq(b.chars().map(fold))
}

fn fold(c: char) -> char {
    match c {
        '\u{17F}' => 's',  // long s
        '\u{212A}' => 'k', // Kelvin sign
        other => other.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::same_key;

    #[test]
    fn case_does_not_matter_in_ascii() {
        assert!(same_key("isGateway", "ISgateway"));
        assert!(!same_key("isGateway", "isGateways"));
        assert!(!same_key("isGateway", "is-gateway"));
    }

    #[test]
    fn long_s_and_kelvin_sign_are_letters_to_go() {
        assert!(same_key("ro\u{17F}e", "ROSE"));
        assert!(same_key("\u{212A}ey", "key"));
    }

    #[test]
    fn other_letters_keep_their_case() {
        assert!(!same_key("\u{E4}", "\u{C4}"));
    }
}
