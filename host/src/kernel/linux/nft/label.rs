//! What the user data of tables, sets and elements says, so that nothing need be kept in files.
//!
//! An element's label is a comment that `nft list` shows: a detail and the owner, as in `/16
//! mynet/0123abcd/eth0`. None of an attachment's three names can contain a slash. `nft` takes
//! comments of at most 128 octets, the kernel user data of at most 256. Where the names are too
//! long, the comment has a hash of them instead, `/16 #` and 32 hexadecimal digits, and the names
//! themselves follow in a field of our own, if the kernel's limit leaves them the room. So a
//! comment always names exactly one owner; and only with names of more than about 200 octets
//! together can the owner not be read back.

use sha2::{Digest, Sha256};

use crate::kernel::Owner;

/// `NFTNL_UDATA_SET_ELEM_COMMENT` and `NFTNL_UDATA_TABLE_COMMENT`.
const COMMENT: u8 = 0;
/// The owner's names in full. Ours: libnftnl ignores fields that it does not know.
const NAMES: u8 = 0xcc;
/// Octets of a comment (`NFTNL_UDATA_COMMENT_MAXLEN`), without its NUL.
const MAX_COMMENT: usize = 128;
/// Octets of user data (`NFT_USERDATA_MAXLEN`).
const MAX_USERDATA: usize = 256;
/// Octets before a field's value: its type and its length.
const FIELD_HEADER: usize = 2;

/// What a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Purpose(pub(super) &'static str);

impl Purpose {
    /// As a comment.
    pub(super) fn userdata(self) -> Vec<u8> {
        comment(self.0)
    }
}

/// The comment of a rule's user data (`NFTNL_UDATA_RULE_COMMENT`), whoever made the rule.
pub(super) fn rule_comment(userdata: &[u8]) -> Option<&str> {
    str::from_utf8(field(userdata, COMMENT)?.strip_suffix(b"\0")?).ok()
}

/// The user data of a rule, or of something else that has comments.
pub(super) fn comment(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_field(&mut bytes, COMMENT, &[text.as_bytes(), b"\0"].concat());
    bytes
}

/// A set's user data that says that its keys are in the machine's byte order
/// (`NFTNL_UDATA_SET_KEYBYTEORDER`, `BYTEORDER_HOST_ENDIAN`).
pub(super) fn host_order_userdata() -> Vec<u8> {
    const KEY_BYTE_ORDER: u8 = 0;
    let mut bytes = Vec::new();
    push_field(&mut bytes, KEY_BYTE_ORDER, &1_u32.to_ne_bytes());
    bytes
}

/// What an element's user data says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// What the element's key does not say, in a word without blanks.
    pub(super) detail: String,
    /// Whose it is. Of an element whose names did not fit, only `container_id` is set, to `#` and
    /// the hash.
    pub(super) owner: Owner,
}

impl Label {
    /// The user data that says so.
    pub(super) fn userdata(&self) -> Vec<u8> {
        let names = names(&self.owner);
        let comment = self.comment();
        let mut bytes = Vec::with_capacity(MAX_USERDATA);
        push_field(&mut bytes, COMMENT, &[comment.as_bytes(), b"\0"].concat());
        let fits = bytes.len() + FIELD_HEADER + names.len() <= MAX_USERDATA;
        if fits && !comment.ends_with(&names) && is_readable(&self.owner, &names) {
            push_field(&mut bytes, NAMES, names.as_bytes());
        }
        bytes
    }

    /// What user data says; `None`: it is not such a label.
    pub(super) fn from_userdata(bytes: &[u8]) -> Option<Self> {
        let comment = field(bytes, COMMENT)?.strip_suffix(b"\0")?;
        let (detail, short) = str::from_utf8(comment).ok()?.split_once(' ')?;
        let owner = match field(bytes, NAMES) {
            Some(names) => parse_names(str::from_utf8(names).ok()?)?,
            None if short.starts_with('#') => unread(short),
            None => parse_names(short)?,
        };
        let label = Self { detail: detail.to_owned(), owner };
        (label.comment().as_bytes() == comment).then_some(label)
    }

    /// Whether the element belongs to `owner`.
    pub(super) fn is_of(&self, owner: &Owner) -> bool {
        let other = Self { detail: self.detail.clone(), owner: owner.clone() };
        self.comment() == other.comment()
    }

    fn comment(&self) -> String {
        let names = names(&self.owner);
        let comment = format!("{} {names}", self.detail);
        if comment.len() <= MAX_COMMENT && is_readable(&self.owner, &names) && is_quotable(&names) {
            return comment;
        }
        format!("{} #{}", self.detail, hash(&self.owner))
    }
}

/// The owner of an element whose names did not fit. No name of an attachment starts with `#`.
fn unread(hash: &str) -> Owner {
    Owner { network: String::new(), container_id: hash.to_owned(), ifname: String::new() }
}

fn is_unread(owner: &Owner) -> bool {
    owner.network.is_empty() && owner.ifname.is_empty() && owner.container_id.starts_with('#')
}

fn names(owner: &Owner) -> String {
    let Owner { network, container_id, ifname } = owner;
    if is_unread(owner) {
        return container_id.clone();
    }
    format!("{network}/{container_id}/{ifname}")
}

/// Whether `names`, read back, is `owner` again.
fn is_readable(owner: &Owner, names: &str) -> bool {
    is_unread(owner) || parse_names(names).as_ref() == Some(owner)
}

fn hash(owner: &Owner) -> String {
    let Owner { network, container_id, ifname } = owner;
    let mut digest = Sha256::new();
    for name in [network, container_id, ifname] {
        digest.update(name.len().to_be_bytes());
        digest.update(name);
    }
    digest.finalize().iter().take(16).map(|octet| format!("{octet:02x}")).collect()
}

fn parse_names(text: &str) -> Option<Owner> {
    let mut parts = text.split('/').map(str::to_owned);
    let (network, container_id, ifname) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(Owner { network, container_id, ifname })
}

/// Whether `nft` reads back what it lists: its quoted texts know no escapes.
fn is_quotable(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
}

/// Appends `struct nftnl_udata`. A value that is too long for the length's octet is left out.
fn push_field(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if let Ok(length) = u8::try_from(value.len()) {
        bytes.extend([kind, length]);
        bytes.extend(value);
    }
}

fn field(mut bytes: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        let (&[kind, length], rest) = bytes.split_first_chunk::<FIELD_HEADER>()?;
        let (value, rest) = rest.split_at_checked(usize::from(length))?;
        if kind == wanted {
            return Some(value);
        }
        bytes = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(detail: &str, network: &str, container_id: &str, ifname: &str) -> Label {
        let (network, container_id) = (network.to_owned(), container_id.to_owned());
        let owner = Owner { network, container_id, ifname: ifname.to_owned() };
        Label { detail: detail.to_owned(), owner }
    }

    fn comment(label: &Label) -> String {
        let userdata = label.userdata();
        let comment = field(&userdata, COMMENT).unwrap();
        assert_eq!(comment.last(), Some(&0));
        String::from_utf8(comment[..comment.len() - 1].to_vec()).unwrap()
    }

    #[test]
    fn usual_names_are_the_comment() {
        let label = label("/16", "net", "cid", "eth0");
        assert_eq!(label.userdata(), b"\x00\x11/16 net/cid/eth0\0");
        let long = "0123456789abcdef".repeat(4);
        let podman = self::label("/16", "podman", &long, "eth0");
        assert_eq!(comment(&podman), format!("/16 podman/{long}/eth0"));
    }

    #[test]
    fn every_length_fits_is_distinct_and_is_read_back_while_there_is_room() {
        let mut seen = std::collections::HashSet::new();
        for (network, id) in [(1, 1), (1, 64), (30, 64), (41, 64), (64, 64), (100, 64), (128, 128)]
        {
            for detail in ["/8", "/128", "02:42:ac:11:00:02"] {
                let label = label(detail, &"n".repeat(network), &"c".repeat(id), "eth0");
                let userdata = label.userdata();
                assert!(userdata.len() <= MAX_USERDATA);
                assert!(comment(&label).len() <= MAX_COMMENT);
                assert!(seen.insert(comment(&label)));
                let back = Label::from_userdata(&userdata).unwrap();
                if network + id <= 190 {
                    assert_eq!(back, label);
                } else {
                    assert!(is_unread(&back.owner));
                    assert_eq!(back.userdata(), userdata, "what was read names the same element");
                }
                assert!(back.is_of(&label.owner));
                let other = self::label(detail, &"n".repeat(network), &"c".repeat(id), "eth1");
                assert!(!back.is_of(&other.owner));
            }
        }
    }

    #[test]
    fn names_that_could_be_taken_for_others_are_hashed() {
        let owners = [
            label("/8", "a/b", "c", "d"),
            label("/8", "a", "b/c", "d"),
            label("/8", "a", "b", "c/d"),
            label("/8", "a b", "c", "d"),
            label("/8", "a\"", "c", "d"),
            label("/8", "a", "c", "\u{fc}"),
            label("/8", "", "", ""),
            label("/8", "a", "#", "b"),
        ];
        for one in &owners {
            for other in &owners {
                assert_eq!(one.is_of(&other.owner), one == other, "{one:?} {other:?}");
            }
            assert!(is_quotable(&comment(one).replace(' ', "")), "{one:?}");
        }
    }

    #[test]
    fn foreign_user_data_is_no_label() {
        for foreign in [
            &b""[..],
            b"\0",
            b"\0\x05ab\0",
            b"\0\x02ab",
            b"\0\x04web\0",
            b"\0\x08/8 a/b/c",
            b"\0\x07/8 a/b\0",
            b"\0\x0b/8 a/b/c/d\0",
            b"\0\x09/8 a/\xffc\0\0",
            b"\x01\x04\0\0\0\0",
        ] {
            assert_eq!(Label::from_userdata(foreign), None, "{foreign:?}");
        }
        let forged =
            [&b"\0\x25/8 #0123456789abcdef0123456789abcdef\0"[..], b"\xcc\x05a/b/c"].concat();
        assert_eq!(Label::from_userdata(&forged), None, "names and hash do not agree");
    }
}
