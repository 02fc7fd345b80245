//! The expressions that rules are made of. Each is a step of the kernel's rule machine: it reads or
//! writes registers and may end the rule. `nft --debug=netlink` prints rules in these terms.

use super::attribute::Attribute;
use super::uapi::{attr, family};

/// A register. The machine has sixteen of four octets (numbers 8 to 23), which also count as four
/// of sixteen (1 to 4). What is looked up as a whole stands in neighbouring ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Register(u32);

impl Register {
    /// Where the key of a look-up starts.
    pub(super) const FIRST: Self = Self(1);
    /// The one behind the first four octets.
    pub(super) const AFTER_4: Self = Self(9);
    /// The one behind the first eight octets.
    pub(super) const AFTER_8: Self = Self(10);
    /// The one behind the first sixteen octets.
    pub(super) const AFTER_16: Self = Self(2);
    /// The one behind the first twenty octets.
    pub(super) const AFTER_20: Self = Self(13);
}

/// A field of the packet: which header, offset and length in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    base: u32,
    offset: u32,
    length: u32,
}

impl Field {
    /// `ether saddr`.
    pub(super) const ETHER_SADDR: Self = Self { base: 0, offset: 6, length: 6 };
    /// `ip saddr`.
    pub(super) const IP_SADDR: Self = Self { base: 1, offset: 12, length: 4 };
    /// `ip daddr`.
    pub(super) const IP_DADDR: Self = Self { base: 1, offset: 16, length: 4 };
    /// `ip6 saddr`.
    pub(super) const IP6_SADDR: Self = Self { base: 1, offset: 8, length: 16 };
    /// `ip6 daddr`.
    pub(super) const IP6_DADDR: Self = Self { base: 1, offset: 24, length: 16 };
    /// `th sport`.
    pub(super) const TH_SPORT: Self = Self { base: 2, offset: 0, length: 2 };
    /// `th dport`.
    pub(super) const TH_DPORT: Self = Self { base: 2, offset: 2, length: 2 };
}

/// What becomes of the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// `accept`.
    Accept,
    /// `drop`.
    Drop,
    /// `return`: leaves the chain; in a base chain its policy decides.
    Return,
    /// `goto CHAIN`.
    Goto(&'a str),
    /// `jump CHAIN`.
    Jump(&'a str),
}

fn expression(name: &str, data: Vec<Attribute>) -> Attribute {
    Attribute::Nest(
        attr::LIST_ITEM,
        vec![
            Attribute::text(attr::EXPRESSION_NAME, name),
            Attribute::Nest(attr::EXPRESSION_DATA, data),
        ],
    )
}

/// Loads what is known about the packet.
fn meta(key: u32) -> Attribute {
    meta_to(key, Register::FIRST)
}

fn meta_to(key: u32, to: Register) -> Attribute {
    expression(
        "meta",
        vec![Attribute::number(attr::META_KEY, key), Attribute::number(attr::META_REGISTER, to.0)],
    )
}

const NFT_META_MARK: u32 = 3;

/// Loads the mark of the packet: four octets in the machine's order. `meta mark`.
pub(super) fn load_mark() -> Attribute {
    meta(NFT_META_MARK)
}

/// Loads the index of the link that the packet came in on: four octets in the machine's order.
/// `meta iif`.
pub(super) fn load_iif() -> Attribute {
    const NFT_META_IIF: u32 = 4;
    meta(NFT_META_IIF)
}

/// Loads the number of the transport: one octet. `meta l4proto`.
pub(super) fn load_l4proto(to: Register) -> Attribute {
    const NFT_META_L4PROTO: u32 = 16;
    meta_to(NFT_META_L4PROTO, to)
}

/// Makes the first register the packet's mark. `meta mark set`.
pub(super) fn store_mark() -> Attribute {
    expression(
        "meta",
        vec![
            Attribute::number(attr::META_KEY, NFT_META_MARK),
            Attribute::number(attr::META_SOURCE_REGISTER, Register::FIRST.0),
        ],
    )
}

/// Loads the name of the link that the packet leaves by: 16 octets. `meta oifname`.
pub(super) fn load_oifname(to: Register) -> Attribute {
    const NFT_META_OIFNAME: u32 = 7;
    meta_to(NFT_META_OIFNAME, to)
}

/// Loads the state of the packet's connection: 4 octets in the machine's order. `ct state`.
pub(super) fn load_ct_state() -> Attribute {
    const NFT_CT_STATE: u32 = 0;
    expression(
        "ct",
        vec![
            Attribute::number(attr::CT_KEY, NFT_CT_STATE),
            Attribute::number(attr::CT_REGISTER, Register::FIRST.0),
        ],
    )
}

/// Counts packets. Programs that make rules for iptables put it into each.
pub(super) fn counter() -> Attribute {
    expression("counter", Vec::new())
}

/// Loads the name of the link that the packet came in on: 16 octets. `meta iifname`.
pub(super) fn load_iifname() -> Attribute {
    const NFT_META_IIFNAME: u32 = 6;
    meta(NFT_META_IIFNAME)
}

/// Goes on with IPv4 only. `meta nfproto ipv4`.
pub(super) fn only_ipv4() -> [Attribute; 2] {
    only_family(family::IPV4)
}

/// Goes on with IPv6 only. `meta nfproto ipv6`.
pub(super) fn only_ipv6() -> [Attribute; 2] {
    only_family(family::IPV6)
}

fn only_family(family: u8) -> [Attribute; 2] {
    const NFT_META_NFPROTO: u32 = 15;
    [meta(NFT_META_NFPROTO), only_equal(&[family])]
}

/// Loads a field of the packet.
pub(super) fn load(field: Field, to: Register) -> Attribute {
    expression(
        "payload",
        vec![
            Attribute::number(attr::PAYLOAD_REGISTER, to.0),
            Attribute::number(attr::PAYLOAD_BASE, field.base),
            Attribute::number(attr::PAYLOAD_OFFSET, field.offset),
            Attribute::number(attr::PAYLOAD_LENGTH, field.length),
        ],
    )
}

/// Keeps the bits of a register that the mask has.
pub(super) fn mask(register: Register, mask: &[u8]) -> Attribute {
    mask_and_flip(register, mask, &vec![0; mask.len()])
}

/// Keeps the bits that the mask has, then turns those over that `flip` has.
pub(super) fn mask_and_flip(register: Register, mask: &[u8], flip: &[u8]) -> Attribute {
    let length = u32::try_from(mask.len()).unwrap_or(u32::MAX);
    expression(
        "bitwise",
        vec![
            Attribute::number(attr::BITWISE_FROM, register.0),
            Attribute::number(attr::BITWISE_TO, register.0),
            Attribute::number(attr::BITWISE_LENGTH, length),
            Attribute::data(attr::BITWISE_MASK, mask),
            Attribute::data(attr::BITWISE_XOR, flip),
        ],
    )
}

/// Goes on if the first register holds `value`.
pub(super) fn only_equal(value: &[u8]) -> Attribute {
    const NFT_CMP_EQ: u32 = 0;
    compare(NFT_CMP_EQ, value)
}

/// Goes on if the first register holds anything but `value`.
pub(super) fn only_unequal(value: &[u8]) -> Attribute {
    const NFT_CMP_NEQ: u32 = 1;
    compare(NFT_CMP_NEQ, value)
}

fn compare(operator: u32, value: &[u8]) -> Attribute {
    expression(
        "cmp",
        vec![
            Attribute::number(attr::CMP_REGISTER, Register::FIRST.0),
            Attribute::number(attr::CMP_OPERATOR, operator),
            Attribute::data(attr::CMP_DATA, value),
        ],
    )
}

/// Goes on if the first register holds something between the two, or, `negated`, if it does not.
pub(super) fn only_within(from: &[u8], to: &[u8], negated: bool) -> Attribute {
    // NFT_RANGE_EQ, NFT_RANGE_NEQ
    let operator = u32::from(negated);
    expression(
        "range",
        vec![
            Attribute::number(attr::RANGE_REGISTER, Register::FIRST.0),
            Attribute::number(attr::RANGE_OPERATOR, operator),
            Attribute::data(attr::RANGE_FROM, from),
            Attribute::data(attr::RANGE_TO, to),
        ],
    )
}

/// Goes on with packets to an address of this machine. `fib daddr type local`.
pub(super) fn only_local() -> [Attribute; 2] {
    const NFT_FIB_RESULT_ADDRTYPE: u32 = 3;
    const NFTA_FIB_F_DADDR: u32 = 2;
    const RTN_LOCAL: u32 = 2;
    let load = expression(
        "fib",
        vec![
            Attribute::number(attr::FIB_REGISTER, Register::FIRST.0),
            Attribute::number(attr::FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE),
            Attribute::number(attr::FIB_FLAGS, NFTA_FIB_F_DADDR),
        ],
    );
    [load, only_equal(&RTN_LOCAL.to_ne_bytes())]
}

/// Goes on with connections whose destination was changed. `ct status dnat`.
pub(super) fn only_translated() -> [Attribute; 3] {
    const NFT_CT_STATUS: u32 = 2;
    const IPS_DST_NAT: u32 = 1 << 5;
    let load = expression(
        "ct",
        vec![
            Attribute::number(attr::CT_REGISTER, Register::FIRST.0),
            Attribute::number(attr::CT_KEY, NFT_CT_STATUS),
        ],
    );
    [load, mask(Register::FIRST, &IPS_DST_NAT.to_ne_bytes()), only_unequal(&[0; 4])]
}

/// Goes on if the set holds what stands from the first register on. `@SET`.
pub(super) fn only_in(set: &str) -> Attribute {
    lookup(set, 0)
}

/// Goes on if the set does not hold it. `!= @SET`.
pub(super) fn only_not_in(set: &str) -> Attribute {
    const NFT_LOOKUP_F_INV: u32 = 1;
    lookup(set, NFT_LOOKUP_F_INV)
}

fn lookup(set: &str, flags: u32) -> Attribute {
    expression(
        "lookup",
        vec![
            Attribute::text(attr::LOOKUP_SET, set),
            Attribute::number(attr::LOOKUP_REGISTER, Register::FIRST.0),
            Attribute::number(attr::LOOKUP_FLAGS, flags),
        ],
    )
}

/// Replaces what stands from the first register on by what the map has for it, and goes on if it has
/// something. `map @MAP`.
pub(super) fn translate(map: &str) -> Attribute {
    expression(
        "lookup",
        vec![
            Attribute::text(attr::LOOKUP_SET, map),
            Attribute::number(attr::LOOKUP_REGISTER, Register::FIRST.0),
            Attribute::number(attr::LOOKUP_TO, Register::FIRST.0),
        ],
    )
}

/// Sends the packet's connection to the address in the first register and the port in another.
/// `dnat [ip|ip6] to …`; the family is of [`family`].
pub(super) fn dnat(family: u8, port: Register) -> Attribute {
    const NFT_NAT_DNAT: u32 = 1;
    expression(
        "nat",
        vec![
            Attribute::number(attr::NAT_TYPE, NFT_NAT_DNAT),
            Attribute::number(attr::NAT_FAMILY, family.into()),
            Attribute::number(attr::NAT_ADDRESS, Register::FIRST.0),
            Attribute::number(attr::NAT_PORT, port.0),
        ],
    )
}

/// Ends the rule with a verdict.
pub(super) fn verdict(verdict: Verdict<'_>) -> Attribute {
    const NFT_REG_VERDICT: u32 = 0;
    const NF_DROP: u32 = 0;
    const NF_ACCEPT: u32 = 1;
    const NFT_JUMP: u32 = (-3_i32).cast_unsigned();
    const NFT_GOTO: u32 = (-4_i32).cast_unsigned();
    const NFT_RETURN: u32 = (-5_i32).cast_unsigned();
    let code = |code| Attribute::number(attr::VERDICT_CODE, code);
    let says = match verdict {
        Verdict::Accept => vec![code(NF_ACCEPT)],
        Verdict::Drop => vec![code(NF_DROP)],
        Verdict::Return => vec![code(NFT_RETURN)],
        Verdict::Jump(chain) => vec![code(NFT_JUMP), Attribute::text(attr::VERDICT_CHAIN, chain)],
        Verdict::Goto(chain) => vec![code(NFT_GOTO), Attribute::text(attr::VERDICT_CHAIN, chain)],
    };
    expression(
        "immediate",
        vec![
            Attribute::number(attr::IMMEDIATE_REGISTER, NFT_REG_VERDICT),
            Attribute::Nest(attr::IMMEDIATE_DATA, vec![Attribute::Nest(attr::DATA_VERDICT, says)]),
        ],
    )
}

/// Gives the packet's connection an address of the link that it leaves by. `masquerade`.
pub(super) fn masquerade() -> Attribute {
    expression("masq", Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;

    fn bytes(attribute: &Attribute) -> Vec<u8> {
        let mut bytes = vec![0; attribute.buffer_len()];
        attribute.emit(&mut bytes);
        bytes
    }

    /// What nft 1.0.6 sends for `ip saddr . ip daddr @local return`, without the look-up, where it
    /// has other options.
    #[test]
    fn expressions_are_as_nft_sends_them() {
        let [meta, equal] = only_ipv4();
        let mut want = vec![0x24, 0, 1, 0x80, 9, 0, 1, 0];
        want.extend(*b"meta\0\0\0\0");
        want.extend([0x14, 0, 2, 0x80, 8, 0, 2, 0, 0, 0, 0, 0x0f, 8, 0, 1, 0, 0, 0, 0, 1]);
        assert_eq!(bytes(&meta), want);

        let mut want = vec![0x2c, 0, 1, 0x80, 8, 0, 1, 0];
        want.extend(*b"cmp\0");
        want.extend([0x20, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 1, 8, 0, 2, 0, 0, 0, 0, 0]);
        want.extend([0x0c, 0, 3, 0x80, 5, 0, 1, 0, 2, 0, 0, 0]);
        assert_eq!(bytes(&equal), want);

        let mut want = vec![0x34, 0, 1, 0x80, 0x0c, 0, 1, 0];
        want.extend(*b"payload\0");
        want.extend([0x24, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 9, 8, 0, 2, 0, 0, 0, 0, 1]);
        want.extend([8, 0, 3, 0, 0, 0, 0, 0x10, 8, 0, 4, 0, 0, 0, 0, 4]);
        assert_eq!(bytes(&load(Field::IP_DADDR, Register::AFTER_4)), want);

        let mut want = vec![0x30, 0, 1, 0x80, 0x0e, 0, 1, 0];
        want.extend(*b"immediate\0\0\0");
        want.extend([0x1c, 0, 2, 0x80, 8, 0, 1, 0, 0, 0, 0, 0]);
        want.extend([0x10, 0, 2, 0x80, 0x0c, 0, 2, 0x80, 8, 0, 1, 0, 0xff, 0xff, 0xff, 0xfb]);
        assert_eq!(bytes(&verdict(Verdict::Return)), want);
    }

    #[test]
    fn a_mask_keeps_its_length() {
        let mask = bytes(&mask(Register::AFTER_16, &[0xff; 16]));
        let mut want =
            vec![8, 0, 1, 0, 0, 0, 0, 2, 8, 0, 2, 0, 0, 0, 0, 2, 8, 0, 3, 0, 0, 0, 0, 16];
        want.extend([24, 0, 4, 0x80, 20, 0, 1, 0]);
        want.extend([0xff; 16]);
        want.extend([24, 0, 5, 0x80, 20, 0, 1, 0]);
        want.extend([0; 16]);
        assert!(mask.ends_with(&want));
    }
}
