//! Numbers: one, a range, `any`.

use serde::{Deserialize, Serialize};

use super::BadPattern;

/// Numbers from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct NumberPattern {
    first: u32,
    last: u32,
}

impl NumberPattern {
    /// A number as such, which must lie within `bounds`.
    pub(in super::super) fn one(number: u32, bounds: (u32, u32)) -> Result<Self, BadPattern> {
        Self::range(number, number, bounds)
    }

    /// `any`, `5`, `100-199`.
    pub(in super::super) fn parse(text: &str, bounds: (u32, u32)) -> Result<Self, BadPattern> {
        if text == "any" {
            return Ok(Self { first: bounds.0, last: bounds.1 });
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (digits(first), digits(last)) {
            (Some(first), Some(last)) => Self::range(first, last, bounds),
            _ => Err(BadPattern::new("is no number", r#"one (100), a range ("100-199") or "any""#)),
        }
    }

    fn range(first: u32, last: u32, bounds: (u32, u32)) -> Result<Self, BadPattern> {
        let (low, high) = bounds;
        if first > last {
            let instead = format!(r#""{last}-{first}""#);
            return Err(BadPattern::new("has its ends the wrong way round", instead));
        }
        if first < low || last > high {
            return Err(BadPattern::new("is out of bounds", format!("numbers of {low} to {high}")));
        }
        Ok(Self { first, last })
    }

    pub(super) fn covers(self, other: Self) -> bool {
        self.matches(other.first, other.last)
    }

    /// Whether all of `first` to `last` is allowed.
    pub(in super::super) fn matches(self, first: u32, last: u32) -> bool {
        self.first <= first && first <= last && last <= self.last
    }
}

/// Decimal digits alone: no sign, which `u32::from_str` would take.
fn digits(text: &str) -> Option<u32> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VLAN: (u32, u32) = (1, 4094);

    fn allows(pattern: &str, first: u32, last: u32) -> bool {
        NumberPattern::parse(pattern, VLAN).unwrap().matches(first, last)
    }

    #[test]
    fn a_range_is_allowed_as_a_whole() {
        assert!(allows("100-199", 100, 199));
        assert!(allows("100-199", 150, 150));
        assert!(!allows("100-199", 99, 150));
        assert!(!allows("100-199", 150, 200));
        assert!(!allows("100-199", 99, 200));
        assert!(!allows("100-199", 160, 150));
        assert!(allows("7", 7, 7));
        assert!(!allows("7", 7, 8));
        assert!(allows("any", 1, 4094));
        assert!(!allows("any", 0, 4094));
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, instead) in [
            ("", r#"one (100), a range ("100-199") or "any""#),
            ("*", r#"one (100), a range ("100-199") or "any""#),
            ("+5", r#"one (100), a range ("100-199") or "any""#),
            ("1-", r#"one (100), a range ("100-199") or "any""#),
            ("-5", r#"one (100), a range ("100-199") or "any""#),
            ("1-2-3", r#"one (100), a range ("100-199") or "any""#),
            ("1 - 2", r#"one (100), a range ("100-199") or "any""#),
            ("4294967296", r#"one (100), a range ("100-199") or "any""#),
            ("9-2", r#""2-9""#),
            ("0", "numbers of 1 to 4094"),
            ("1-4095", "numbers of 1 to 4094"),
        ] {
            assert_eq!(NumberPattern::parse(text, VLAN).unwrap_err().instead, instead, "{text:?}");
        }
        assert!(NumberPattern::one(4095, VLAN).is_err());
    }
}
