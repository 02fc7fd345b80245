//! Numbers of nf_tables' netlink protocol. Source: the kernel's `include/uapi/linux/netfilter.h`,
//! `netfilter/nfnetlink.h`, `netfilter/nf_tables.h` and, for user data, libnftnl's `udata.h`.

/// `enum nfproto_family`.
pub(super) mod family {
    pub(crate) const UNSPEC: u8 = 0;
    pub(crate) const INET: u8 = 1;
    pub(crate) const IPV4: u8 = 2;
    pub(crate) const BRIDGE: u8 = 7;
    pub(crate) const IPV6: u8 = 10;
}

/// `NFNL_SUBSYS_NFTABLES`.
pub(super) const SUBSYSTEM: u16 = 10;

/// Message types: nfnetlink's own, and `enum nf_tables_msg_types` with the subsystem in the high
/// octet.
pub(super) mod msg {
    const NFT: u16 = super::SUBSYSTEM << 8;

    pub(crate) const BATCH_BEGIN: u16 = 0x10;
    pub(crate) const BATCH_END: u16 = 0x11;
    pub(crate) const NEW_TABLE: u16 = NFT;
    pub(crate) const GET_TABLE: u16 = NFT | 1;
    pub(crate) const NEW_CHAIN: u16 = NFT | 3;
    pub(crate) const GET_CHAIN: u16 = NFT | 4;
    pub(crate) const DELETE_CHAIN: u16 = NFT | 5;
    pub(crate) const NEW_RULE: u16 = NFT | 6;
    pub(crate) const GET_RULE: u16 = NFT | 7;
    pub(crate) const DELETE_RULE: u16 = NFT | 8;
    pub(crate) const NEW_SET: u16 = NFT | 9;
    pub(crate) const GET_SET: u16 = NFT | 10;
    pub(crate) const NEW_ELEMENT: u16 = NFT | 12;
    pub(crate) const GET_ELEMENT: u16 = NFT | 13;
    pub(crate) const DELETE_ELEMENT: u16 = NFT | 14;
    pub(crate) const GET_GENERATION: u16 = NFT | 16;

    /// `enum cntl_msg_types` of `NFNL_SUBSYS_CTNETLINK`.
    const CONNTRACK: u16 = 1 << 8;
    pub(crate) const GET_CONNECTION: u16 = CONNTRACK | 1;
    pub(crate) const DELETE_CONNECTION: u16 = CONNTRACK | 2;
}

/// Attributes, one group for each `enum nft_…_attributes`.
pub(super) mod attr {
    pub(crate) const LIST_ITEM: u16 = 1;

    pub(crate) const BATCH_GENERATION: u16 = 1;
    pub(crate) const GENERATION_ID: u16 = 1;

    pub(crate) const TABLE_NAME: u16 = 1;
    pub(crate) const TABLE_USERDATA: u16 = 6;

    pub(crate) const CHAIN_TABLE: u16 = 1;
    pub(crate) const CHAIN_NAME: u16 = 3;
    pub(crate) const CHAIN_HOOK: u16 = 4;
    pub(crate) const CHAIN_POLICY: u16 = 5;
    pub(crate) const CHAIN_TYPE: u16 = 7;
    pub(crate) const HOOK_NUMBER: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;

    pub(crate) const RULE_TABLE: u16 = 1;
    pub(crate) const RULE_CHAIN: u16 = 2;
    pub(crate) const RULE_HANDLE: u16 = 3;
    pub(crate) const RULE_EXPRESSIONS: u16 = 4;
    pub(crate) const RULE_USERDATA: u16 = 7;

    pub(crate) const SET_TABLE: u16 = 1;
    pub(crate) const SET_NAME: u16 = 2;
    pub(crate) const SET_FLAGS: u16 = 3;
    pub(crate) const SET_KEY_TYPE: u16 = 4;
    pub(crate) const SET_KEY_LENGTH: u16 = 5;
    pub(crate) const SET_DATA_TYPE: u16 = 6;
    pub(crate) const SET_DATA_LENGTH: u16 = 7;
    pub(crate) const SET_ID: u16 = 10;
    pub(crate) const SET_USERDATA: u16 = 13;

    pub(crate) const ELEMENTS_TABLE: u16 = 1;
    pub(crate) const ELEMENTS_SET: u16 = 2;
    pub(crate) const ELEMENTS_LIST: u16 = 3;
    pub(crate) const ELEMENT_KEY: u16 = 1;
    pub(crate) const ELEMENT_DATA: u16 = 2;
    pub(crate) const ELEMENT_USERDATA: u16 = 6;

    pub(crate) const DATA_VALUE: u16 = 1;
    pub(crate) const DATA_VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;

    pub(crate) const EXPRESSION_NAME: u16 = 1;
    pub(crate) const EXPRESSION_DATA: u16 = 2;

    pub(crate) const META_REGISTER: u16 = 1;
    pub(crate) const META_KEY: u16 = 2;
    pub(crate) const META_SOURCE_REGISTER: u16 = 3;
    pub(crate) const CT_REGISTER: u16 = 1;
    pub(crate) const CT_KEY: u16 = 2;
    pub(crate) const PAYLOAD_REGISTER: u16 = 1;
    pub(crate) const PAYLOAD_BASE: u16 = 2;
    pub(crate) const PAYLOAD_OFFSET: u16 = 3;
    pub(crate) const PAYLOAD_LENGTH: u16 = 4;
    pub(crate) const BITWISE_FROM: u16 = 1;
    pub(crate) const BITWISE_TO: u16 = 2;
    pub(crate) const BITWISE_LENGTH: u16 = 3;
    pub(crate) const BITWISE_MASK: u16 = 4;
    pub(crate) const BITWISE_XOR: u16 = 5;
    pub(crate) const CMP_REGISTER: u16 = 1;
    pub(crate) const CMP_OPERATOR: u16 = 2;
    pub(crate) const CMP_DATA: u16 = 3;
    pub(crate) const LOOKUP_SET: u16 = 1;
    pub(crate) const LOOKUP_REGISTER: u16 = 2;
    pub(crate) const LOOKUP_TO: u16 = 3;
    pub(crate) const LOOKUP_FLAGS: u16 = 5;
    pub(crate) const RANGE_REGISTER: u16 = 1;
    pub(crate) const RANGE_OPERATOR: u16 = 2;
    pub(crate) const RANGE_FROM: u16 = 3;
    pub(crate) const RANGE_TO: u16 = 4;
    pub(crate) const FIB_REGISTER: u16 = 1;
    pub(crate) const FIB_RESULT: u16 = 2;
    pub(crate) const FIB_FLAGS: u16 = 3;
    pub(crate) const NAT_TYPE: u16 = 1;
    pub(crate) const NAT_FAMILY: u16 = 2;
    pub(crate) const NAT_ADDRESS: u16 = 3;
    pub(crate) const NAT_PORT: u16 = 5;
    pub(crate) const IMMEDIATE_REGISTER: u16 = 1;
    pub(crate) const IMMEDIATE_DATA: u16 = 2;

    /// `enum ctattr_type` and the enums of what is in these.
    pub(crate) const CONNECTION_ORIGINAL: u16 = 1;
    pub(crate) const CONNECTION_REPLY: u16 = 2;
    pub(crate) const CONNECTION_ID: u16 = 12;
    pub(crate) const CONNECTION_FILTER: u16 = 25;
    pub(crate) const FILTER_ORIGINAL: u16 = 1;
    pub(crate) const TUPLE_IP: u16 = 1;
    pub(crate) const TUPLE_PROTOCOL: u16 = 2;
    pub(crate) const IPV4_SOURCE: u16 = 1;
    pub(crate) const IPV4_DESTINATION: u16 = 2;
    pub(crate) const IPV6_SOURCE: u16 = 3;
    pub(crate) const IPV6_DESTINATION: u16 = 4;
    pub(crate) const PROTOCOL_NUMBER: u16 = 1;
    pub(crate) const PROTOCOL_DESTINATION_PORT: u16 = 3;

    /// `enum nlmsgerr_attrs`: the kernel's words beside an errno.
    pub(crate) const ACK_MESSAGE: u16 = 1;
}

/// Types of a set's key, as `nft` names them (nftables' `include/datatype.h`). The kernel only
/// stores them, for `nft list`. A concatenation's is its parts', six bits each.
pub(super) mod key_type {
    pub(crate) const IPV4_ADDR: u32 = 7;
    pub(crate) const IPV6_ADDR: u32 = 8;
    pub(crate) const ETHER_ADDR: u32 = 9;
    pub(crate) const INET_PROTO: u32 = 12;
    pub(crate) const INET_SERVICE: u32 = 13;
    pub(crate) const IFNAME: u32 = 41;

    pub(crate) const fn pair(first: u32, second: u32) -> u32 {
        first << 6 | second
    }
}
