//! How much a component may use in one call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::pattern::BadPattern;

/// What a component may use in one call. It fails its call with code 102 when it needs more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// `memory`: octets of linear memory, all memories together.
    pub memory_bytes: u64,
    /// `table-elements`: entries of all tables together.
    pub table_elements: u32,
    /// `deadline`: time from the start of the component to its result, waiting included.
    pub deadline: Duration,
    /// `host-calls`: how often it may call the host.
    pub host_calls: u32,
    /// `output`: octets that it hands to the host, result or error, and texts in host calls.
    pub output_bytes: u32,
    /// `log`: octets that it writes to the log; the rest is dropped and the call goes on.
    pub log_bytes: u32,
}

/// One limit: its key, its default and its bounds, in octets, milliseconds or as a count.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) key: &'static str,
    pub(super) unit: Unit,
    pub(super) default: u64,
    low: u64,
    high: u64,
    set: fn(&mut Limits, u64),
}

/// How a limit is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// `16MiB`.
    Bytes,
    /// `5s`, `250ms`.
    Time,
    /// `10000`, an integer.
    Count,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Every limit. The defaults suit plugins in languages that bring a small runtime; the bundled ones
/// need a tenth of them.
pub(super) static LIMITS: &[Limit] = &[
    // One page of WebAssembly at least; at most what 32-bit memories hold.
    Limit {
        key: "memory",
        unit: Unit::Bytes,
        default: 64 * MIB,
        low: 64 * KIB,
        high: 4096 * MIB,
        set: |limits, n| limits.memory_bytes = n,
    },
    Limit {
        key: "table-elements",
        unit: Unit::Count,
        default: 100_000,
        low: 1,
        high: 10_000_000,
        set: |limits, n| limits.table_elements = narrow(n),
    },
    // Runtimes give a whole chain two to four minutes.
    Limit {
        key: "deadline",
        unit: Unit::Time,
        default: 10_000,
        low: 10,
        high: 120_000,
        set: |limits, n| limits.deadline = Duration::from_millis(n),
    },
    Limit {
        key: "host-calls",
        unit: Unit::Count,
        default: 10_000,
        low: 1,
        high: 1_000_000,
        set: |limits, n| limits.host_calls = narrow(n),
    },
    Limit {
        key: "output",
        unit: Unit::Bytes,
        default: MIB,
        low: KIB,
        high: 64 * MIB,
        set: |limits, n| limits.output_bytes = narrow(n),
    },
    Limit {
        key: "log",
        unit: Unit::Bytes,
        default: 64 * KIB,
        low: 0,
        high: 16 * MIB,
        set: |limits, n| limits.log_bytes = narrow(n),
    },
];

/// Bounds keep the value small enough; a test walks them.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Default for Limits {
    fn default() -> Self {
        let mut limits = Self {
            memory_bytes: 0,
            table_elements: 0,
            deadline: Duration::ZERO,
            host_calls: 0,
            output_bytes: 0,
            log_bytes: 0,
        };
        for limit in LIMITS {
            (limit.set)(&mut limits, limit.default);
        }
        limits
    }
}

impl Limit {
    /// Reads the text of a limit that has a unit.
    pub(super) fn read(&self, text: &str, limits: &mut Limits) -> Result<(), BadPattern> {
        let units: &[(&str, u64)] = match self.unit {
            Unit::Bytes => &[("KiB", KIB), ("MiB", MIB), ("GiB", KIB * MIB)],
            Unit::Time => &[("ms", 1), ("s", 1000)],
            Unit::Count => &[],
        };
        let number = units
            .iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|digits| (digits, factor)))
            .filter(|(digits, _)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|(digits, factor)| digits.parse::<u64>().ok()?.checked_mul(*factor));
        match number {
            Some(number) => self.set(number, limits),
            None => Err(BadPattern {
                problem: self.unit.problem().to_owned(),
                instead: self.unit.example().to_owned(),
            }),
        }
    }

    /// Takes the number of a limit.
    pub(super) fn set(&self, number: u64, limits: &mut Limits) -> Result<(), BadPattern> {
        if number < self.low || number > self.high {
            let instead =
                format!("{} to {}", self.unit.write(self.low), self.unit.write(self.high));
            return Err(BadPattern { problem: "is out of bounds".to_owned(), instead });
        }
        (self.set)(limits, number);
        Ok(())
    }
}

impl Unit {
    pub(super) fn example(self) -> &'static str {
        match self {
            Self::Bytes => r#"a size as "512KiB", "16MiB" or "1GiB""#,
            Self::Time => r#"a time as "250ms" or "5s""#,
            Self::Count => "a number as 1000",
        }
    }

    fn problem(self) -> &'static str {
        match self {
            Self::Bytes => "is no size",
            Self::Time => "is no time",
            Self::Count => "is no count",
        }
    }

    fn write(self, number: u64) -> String {
        match self {
            Self::Bytes if number >= MIB => format!("\"{}MiB\"", number / MIB),
            Self::Bytes => format!("\"{}KiB\"", number / KIB),
            Self::Time if number >= 1000 => format!("\"{}s\"", number / 1000),
            Self::Time => format!("\"{number}ms\""),
            Self::Count => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, text: &str) -> Result<Limits, BadPattern> {
        let mut limits = Limits::default();
        let limit = LIMITS.iter().find(|limit| limit.key == key).unwrap();
        limit.read(text, &mut limits).map(|()| limits)
    }

    #[test]
    fn units_are_exact() {
        assert_eq!(read("memory", "16MiB").unwrap().memory_bytes, 16 << 20);
        assert_eq!(read("memory", "1GiB").unwrap().memory_bytes, 1 << 30);
        assert_eq!(read("output", "512KiB").unwrap().output_bytes, 512 << 10);
        assert_eq!(read("deadline", "5s").unwrap().deadline, Duration::from_secs(5));
        assert_eq!(read("deadline", "250ms").unwrap().deadline, Duration::from_millis(250));
        for text in
            ["", "16", "16MB", "16 MiB", "16mib", "+16MiB", "-1MiB", "1.5MiB", "MiB", "16MiB "]
        {
            assert_eq!(read("memory", text).unwrap_err().problem, "is no size", "{text:?}");
        }
        for text in ["", "5", "5 s", "5m", "0.5s", "-5s", "s", "٣s"] {
            assert_eq!(read("deadline", text).unwrap_err().problem, "is no time", "{text:?}");
        }
        assert_eq!(read("memory", "99999999999999999999GiB").unwrap_err().problem, "is no size");
    }

    #[test]
    fn bounds_are_told() {
        let error = read("deadline", "121s").unwrap_err();
        assert_eq!(error.to_string(), r#"is out of bounds; write "10ms" to "120s""#);
        assert!(read("deadline", "120s").is_ok() && read("deadline", "9ms").is_err());
        assert!(read("memory", "64KiB").is_ok() && read("memory", "63KiB").is_err());
    }

    #[test]
    fn no_limit_is_cut_short_on_its_way() {
        let octets = Limits::default().memory_bytes;
        for limit in LIMITS {
            assert!((limit.low..=limit.high).contains(&limit.default), "{}", limit.key);
            assert!(limit.key == "memory" || u32::try_from(limit.high).is_ok(), "{}", limit.key);
        }
        assert_eq!(octets, 64 << 20);
    }
}
