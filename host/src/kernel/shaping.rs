//! Limits of bandwidth in the kernel's own numbers. (tc-tbf(8); `net/sched/sch_tbf.c`)

use super::IfIndex;

/// Bits of an octet.
const OCTET: u64 = 8;
/// The kernel's packet scheduler counts time in ticks of 64 ns (`PSCHED_SHIFT`): 125 of them are 8 µs.
const TICKS_PER_8_MICROSECONDS: u64 = 125;
const MICROSECONDS: u64 = 1_000_000;
/// How long a packet may wait for tokens, as an inverse part of a second: 25 ms.
const LATENCY_PARTS: u64 = 40;

/// A token bucket that is a link's root qdisc, or is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenBucket {
    /// Octets per second.
    pub rate: u64,
    /// What the bucket holds: the time that filling it takes, in ticks of 64 ns.
    pub buffer: u32,
    /// Octets that may wait for tokens.
    pub limit: u32,
}

impl TokenBucket {
    /// The bucket of a rate in bits per second and a burst in bits: the numbers are the reference plugin's.
    /// A bucket takes at most `u32::MAX` ticks to fill, some 275 s: a larger burst is that one.
    ///
    /// # Errors
    /// A sentence: the kernel has no such bucket.
    pub fn of_bits(rate: u64, burst: u64) -> Result<Self, String> {
        let (rate_octets, burst_octets) = (rate / OCTET, burst / OCTET);
        let refuse =
            |why: &str| Err(format!("limiting to {rate} bit/s, burst {burst} bits: {why}"));
        // `u32::MAX` itself is too much, too, for the reference plugin.
        let burst_octets = u32::try_from(burst_octets).ok().filter(|octets| *octets < u32::MAX);
        let Some(burst_octets) = burst_octets else {
            return refuse("a burst is less than 4 GiB");
        };
        if rate_octets == 0 {
            return refuse("a rate is at least 8 bit/s");
        }
        let fill = u64::from(burst_octets).saturating_mul(MICROSECONDS) / rate_octets;
        let ticks = fill.saturating_mul(TICKS_PER_8_MICROSECONDS) / OCTET;
        if ticks == 0 {
            return refuse(
                "at this rate the burst is over within one tick of 64 ns; make it larger",
            );
        }
        let waiting = rate_octets / LATENCY_PARTS;
        let limit = waiting.saturating_add(burst_octets.into());
        Ok(Self {
            rate: rate_octets,
            buffer: u32::try_from(ticks).unwrap_or(u32::MAX),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
        })
    }
}

/// `rate 1000000 buffer 1562500 limit 125000`.
impl std::fmt::Display for TokenBucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rate, buffer, limit } = self;
        write!(f, "rate {rate} octets/s buffer {buffer} ticks limit {limit} octets")
    }
}

/// Which way a limit works, as the link sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// What leaves by the link.
    Egress,
    /// What comes in by it.
    Ingress,
}

/// What shapes a link's traffic, as it was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shaping {
    /// The root qdisc, if it is a token bucket with handle `1:`.
    pub bucket: Option<TokenBucket>,
    /// Where all that comes in by the link is sent, if there is such a filter; with index 0, the device
    /// is gone.
    pub redirect: Option<IfIndex>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `tc -j -d qdisc` says of the reference plugin's.
    #[test]
    fn numbers_are_the_reference_plugins() {
        let bucket = |rate, burst| TokenBucket::of_bits(rate, burst).unwrap();
        let expected = TokenBucket { rate: 1_000_000, buffer: 1_562_500, limit: 125_000 };
        assert_eq!(bucket(8_000_000, 800_000), expected);
        let expected = TokenBucket { rate: 12_500_000, buffer: 671_088_625, limit: 537_183_411 };
        assert_eq!(bucket(100_000_000, 4_294_967_295), expected);
        assert_eq!(bucket(9, 8).rate, 1);
        assert_eq!(bucket(8, 8), TokenBucket { rate: 1, buffer: 15_625_000, limit: 1 });
    }

    /// Of a burst that the kernel's numbers cannot hold, the reference plugin keeps the low bits.
    #[test]
    fn large_numbers_are_cut_and_do_not_begin_again() {
        let bucket = TokenBucket::of_bits(8_000, 4_294_967_295).unwrap();
        assert_eq!(bucket, TokenBucket { rate: 1000, buffer: u32::MAX, limit: 536_870_936 });
        let bucket = TokenBucket::of_bits(100_000_000_000_000, 34_359_738_359).unwrap();
        assert_eq!((bucket.rate, bucket.limit), (12_500_000_000_000, u32::MAX));
        assert!(TokenBucket::of_bits(u64::MAX, 1000).unwrap_err().contains("larger"));
        assert!(TokenBucket::of_bits(7, 1000).unwrap_err().contains("at least 8 bit/s"));
        assert!(TokenBucket::of_bits(8, 34_359_738_360).unwrap_err().contains("4 GiB"));
        assert!(TokenBucket::of_bits(8, 7).is_err());
    }
}
