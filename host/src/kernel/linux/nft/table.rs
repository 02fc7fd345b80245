//! A table of the host's own, and the messages about what is in it.

use std::borrow::Cow;

use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};

use super::attribute::{self, Attribute};
use super::label::{self, Label, Purpose};
use super::message::{Answer, Message};
use super::uapi::{attr, key_type, msg};

/// A table: its family and its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table {
    /// From [`uapi::family`](super::uapi::family).
    pub(super) family: u8,
    /// Ends in the number of its layout: see the module's text.
    pub(super) name: &'static str,
}

/// A chain that packets enter from the network stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hook {
    /// `type`: `nat`, `filter`.
    pub(super) kind: &'static str,
    /// `hook`: `NF_INET_…` or `NF_BR_…`.
    pub(super) number: u32,
    /// `priority`.
    pub(super) priority: i32,
}

/// What a set's elements look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// From [`uapi::key_type`](key_type).
    kind: u32,
    /// Octets.
    length: u32,
    /// Not in network byte order, as `nft list` has to know: for it a link's name is a number too.
    host_order: bool,
}

impl Key {
    /// `type ipv4_addr`.
    pub(super) const IPV4: Self = Self { kind: key_type::IPV4_ADDR, length: 4, host_order: false };
    /// `type ipv6_addr`.
    pub(super) const IPV6: Self = Self { kind: key_type::IPV6_ADDR, length: 16, host_order: false };
    /// `type ifname`.
    pub(super) const IFNAME: Self = Self { kind: key_type::IFNAME, length: 16, host_order: true };
    /// `type ipv4_addr . ipv4_addr`.
    pub(super) const IPV4_PAIR: Self = Self {
        kind: key_type::pair(key_type::IPV4_ADDR, key_type::IPV4_ADDR),
        length: 8,
        host_order: false,
    };
    /// `type ipv6_addr . ipv6_addr`.
    pub(super) const IPV6_PAIR: Self = Self {
        kind: key_type::pair(key_type::IPV6_ADDR, key_type::IPV6_ADDR),
        length: 32,
        host_order: false,
    };
    /// `type inet_proto . inet_service`, two parts of six bits; each part fills a register of four octets.
    pub(super) const PORT: Self = Self {
        kind: key_type::pair(key_type::INET_PROTO, key_type::INET_SERVICE),
        length: 8,
        host_order: false,
    };
    /// `type ipv4_addr . inet_service`.
    pub(super) const IPV4_PORT: Self = Self {
        kind: key_type::pair(key_type::IPV4_ADDR, key_type::INET_SERVICE),
        length: 8,
        host_order: false,
    };
    /// `type ipv6_addr . inet_service`.
    pub(super) const IPV6_PORT: Self = Self {
        kind: key_type::pair(key_type::IPV6_ADDR, key_type::INET_SERVICE),
        length: 20,
        host_order: false,
    };

    /// The same after a part of `type ipv4_addr`, or of `ipv6_addr`.
    pub(super) const fn behind_address(self, ipv4: bool) -> Self {
        let (address, octets) =
            if ipv4 { (key_type::IPV4_ADDR, 4) } else { (key_type::IPV6_ADDR, 16) };
        Self { kind: address << 12 | self.kind, length: octets + self.length, ..self }
    }

    /// `type ifname . ifname`.
    pub(super) const IFNAME_PAIR: Self = Self {
        kind: key_type::pair(key_type::IFNAME, key_type::IFNAME),
        length: 32,
        host_order: false,
    };

    /// `type ifname . ether_addr`; each part fills whole registers of four octets.
    pub(super) const IFNAME_ETHER: Self = Self {
        kind: key_type::pair(key_type::IFNAME, key_type::ETHER_ADDR),
        length: 24,
        host_order: false,
    };
}

/// An element of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    /// The set's name.
    pub(super) set: Cow<'static, str>,
    /// As long as the set's [`Key`] says.
    pub(super) key: Vec<u8>,
}

/// An element that was seen, with its user data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its key.
    pub(super) key: Vec<u8>,
    /// Of a map's: what the key leads to.
    pub(super) data: Option<Vec<u8>>,
    /// What its user data says; `None`: not in our words.
    pub(super) label: Option<Label>,
}

impl Table {
    fn message(self, kind: u16, flags: u16, attributes: Vec<Attribute>) -> Message {
        Message { kind, flags, family: self.family, resource: 0, attributes }
    }

    /// Makes the table; `EEXIST` if it is there. Equivalent: `nft create table … { comment "…"; }`.
    pub(super) fn create(self, purpose: Purpose) -> Message {
        let attributes = vec![
            Attribute::text(attr::TABLE_NAME, self.name),
            Attribute::Leaf(attr::TABLE_USERDATA, purpose.userdata()),
        ];
        self.message(msg::NEW_TABLE, NLM_F_CREATE | NLM_F_EXCL, attributes)
    }

    /// Asks for the table; `ENOENT` if it is not there.
    pub(super) fn get(self) -> Message {
        self.message(msg::GET_TABLE, 0, vec![Attribute::text(attr::TABLE_NAME, self.name)])
    }

    /// Makes a chain. Equivalent: `nft add chain …`.
    pub(super) fn add_chain(self, name: &str, hook: Option<Hook>) -> Message {
        const NF_ACCEPT: u32 = 1;
        let mut attributes = vec![
            Attribute::text(attr::CHAIN_TABLE, self.name),
            Attribute::text(attr::CHAIN_NAME, name),
        ];
        if let Some(hook) = hook {
            attributes.extend([
                Attribute::Nest(
                    attr::CHAIN_HOOK,
                    vec![
                        Attribute::number(attr::HOOK_NUMBER, hook.number),
                        Attribute::number(attr::HOOK_PRIORITY, hook.priority.cast_unsigned()),
                    ],
                ),
                Attribute::number(attr::CHAIN_POLICY, NF_ACCEPT),
                Attribute::text(attr::CHAIN_TYPE, hook.kind),
            ]);
        }
        self.message(msg::NEW_CHAIN, NLM_F_CREATE, attributes)
    }

    /// Puts a rule at a chain's end. Equivalent: `nft add rule …`.
    pub(super) fn append_rule(self, chain: &str, expressions: Vec<Attribute>) -> Message {
        self.rule(NLM_F_APPEND, chain, expressions)
    }

    /// Puts a rule at a chain's head. Equivalent: `nft insert rule …`.
    pub(super) fn insert_rule(self, chain: &str, expressions: Vec<Attribute>) -> Message {
        self.rule(0, chain, expressions)
    }

    /// Puts a rule with a comment at a chain's head.
    pub(super) fn insert_rule_for(
        self,
        chain: &str,
        purpose: &str,
        expressions: Vec<Attribute>,
    ) -> Message {
        let mut message = self.rule(0, chain, expressions);
        message.attributes.push(Attribute::Leaf(attr::RULE_USERDATA, label::comment(purpose)));
        message
    }

    /// Asks for a chain; `ENOENT` if it or the table is not there.
    pub(super) fn get_chain(self, name: &str) -> Message {
        let attributes = vec![
            Attribute::text(attr::CHAIN_TABLE, self.name),
            Attribute::text(attr::CHAIN_NAME, name),
        ];
        self.message(msg::GET_CHAIN, 0, attributes)
    }

    /// Asks for all rules of a chain; to be dumped. `ENOENT` as above.
    pub(super) fn list_rules(self, chain: &str) -> Message {
        let attributes = vec![
            Attribute::text(attr::RULE_TABLE, self.name),
            Attribute::text(attr::RULE_CHAIN, chain),
        ];
        self.message(msg::GET_RULE, 0, attributes)
    }

    fn rule(self, place: u16, chain: &str, expressions: Vec<Attribute>) -> Message {
        let attributes = vec![
            Attribute::text(attr::RULE_TABLE, self.name),
            Attribute::text(attr::RULE_CHAIN, chain),
            Attribute::Nest(attr::RULE_EXPRESSIONS, expressions),
        ];
        self.message(msg::NEW_RULE, NLM_F_CREATE | place, attributes)
    }

    /// Makes a set; `EEXIST` if it is there. `id` is its number in the batch, any but those of its
    /// other sets. Equivalent: `nft create set …`.
    pub(super) fn create_set(self, name: &str, key: Key, id: u32) -> Message {
        let mut attributes = vec![
            Attribute::text(attr::SET_TABLE, self.name),
            Attribute::text(attr::SET_NAME, name),
            Attribute::number(attr::SET_KEY_TYPE, key.kind),
            Attribute::number(attr::SET_KEY_LENGTH, key.length),
            Attribute::number(attr::SET_ID, id),
        ];
        if key.host_order {
            attributes.push(Attribute::Leaf(attr::SET_USERDATA, label::host_order_userdata()));
        }
        self.message(msg::NEW_SET, NLM_F_CREATE | NLM_F_EXCL, attributes)
    }

    /// Makes a map, as [`create_set`](Self::create_set) makes a set. Equivalent: `nft create map …`.
    pub(super) fn create_map(self, name: &str, key: Key, data: Key, id: u32) -> Message {
        const NFT_SET_MAP: u32 = 8;
        let mut message = self.create_set(name, key, id);
        message.attributes.extend([
            Attribute::number(attr::SET_FLAGS, NFT_SET_MAP),
            Attribute::number(attr::SET_DATA_TYPE, data.kind),
            Attribute::number(attr::SET_DATA_LENGTH, data.length),
        ]);
        message
    }

    /// Asks for a set; `ENOENT` if it or the table is not there.
    pub(super) fn get_set(self, name: &str) -> Message {
        let attributes = vec![
            Attribute::text(attr::SET_TABLE, self.name),
            Attribute::text(attr::SET_NAME, name),
        ];
        self.message(msg::GET_SET, 0, attributes)
    }

    fn element(self, kind: u16, flags: u16, element: &Element, label: Option<&Label>) -> Message {
        self.map_element(kind, flags, element, None, label)
    }

    fn map_element(
        self,
        kind: u16,
        flags: u16,
        element: &Element,
        data: Option<&[u8]>,
        label: Option<&Label>,
    ) -> Message {
        let mut item = vec![Attribute::data(attr::ELEMENT_KEY, &element.key)];
        item.extend(data.map(|data| Attribute::data(attr::ELEMENT_DATA, data)));
        if let Some(label) = label {
            item.push(Attribute::Leaf(attr::ELEMENT_USERDATA, label.userdata()));
        }
        let attributes = vec![
            Attribute::text(attr::ELEMENTS_TABLE, self.name),
            Attribute::text(attr::ELEMENTS_SET, &element.set),
            Attribute::Nest(attr::ELEMENTS_LIST, vec![Attribute::Nest(attr::LIST_ITEM, item)]),
        ];
        self.message(kind, flags, attributes)
    }

    /// Puts an element into its set; `EEXIST` if it is there. Equivalent: `nft create element …`.
    pub(super) fn create_element(self, element: &Element, label: &Label) -> Message {
        self.element(msg::NEW_ELEMENT, NLM_F_CREATE | NLM_F_EXCL, element, Some(label))
    }

    /// Puts an element into its map; `EEXIST` if there is one with its key.
    pub(super) fn create_map_element(self, of: &Element, data: &[u8], label: &Label) -> Message {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.map_element(msg::NEW_ELEMENT, flags, of, Some(data), Some(label))
    }

    /// Puts an element into its set if it is not there. Equivalent: `nft add element …`.
    pub(super) fn add_element(self, element: &Element) -> Message {
        self.element(msg::NEW_ELEMENT, NLM_F_CREATE, element, None)
    }

    /// Takes an element out of its set; `ENOENT` if it is not there.
    pub(super) fn delete_element(self, element: &Element) -> Message {
        self.element(msg::DELETE_ELEMENT, 0, element, None)
    }

    /// Asks for an element; `ENOENT` if it, its set or the table is not there.
    pub(super) fn get_element(self, element: &Element) -> Message {
        self.element(msg::GET_ELEMENT, 0, element, None)
    }

    /// Asks for all elements of a set; to be dumped. `ENOENT` as above.
    pub(super) fn list_elements(self, set: &str) -> Message {
        let attributes = vec![
            Attribute::text(attr::ELEMENTS_TABLE, self.name),
            Attribute::text(attr::ELEMENTS_SET, set),
        ];
        self.message(msg::GET_ELEMENT, 0, attributes)
    }
}

/// The elements that an answer to [`Table::get_element`] or [`Table::list_elements`] holds.
pub(super) fn elements(answer: &Answer) -> impl Iterator<Item = Seen> {
    let list = attribute::find(&answer.0, attr::ELEMENTS_LIST).unwrap_or(&[]);
    attribute::iter(list).filter_map(|(_, item)| {
        let key = attribute::find(item, attr::ELEMENT_KEY)?;
        let key = attribute::find(key, attr::DATA_VALUE)?.to_vec();
        let data = attribute::find(item, attr::ELEMENT_DATA)
            .and_then(|data| attribute::find(data, attr::DATA_VALUE))
            .map(<[u8]>::to_vec);
        let label = attribute::find(item, attr::ELEMENT_USERDATA).and_then(Label::from_userdata);
        Some(Seen { key, data, label })
    })
}
