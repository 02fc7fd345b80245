//! What is made by chance: MACs, the addresses made of them, and the names of veths on the node.

use std::collections::BTreeSet;

use super::trial::link_local;
use crate::names::Mac;

/// A text with numbers in the place of what was made by chance, in the order in which it is seen. What is
/// `known` was there before, and stays.
pub(super) fn without(text: &str, known: &BTreeSet<String>) -> String {
    let mut macs: Vec<&str> = Vec::new();
    let mut veths: Vec<&str> = Vec::new();
    for part in words(text).filter(|part| !known.contains(*part)) {
        if Mac::try_from(part).is_ok() && !macs.contains(&part) {
            macs.push(part);
        }
        if is_chosen_name(part) && !veths.contains(&part) {
            veths.push(part);
        }
    }
    let mut shown = text.to_owned();
    for (number, mac) in macs.iter().enumerate() {
        if let Some(address) = link_local(mac) {
            shown = shown.replace(&address, &format!("fe80::mac-{}/64", number + 1));
        }
        shown = shown.replace(mac, &format!("mac-{}", number + 1));
    }
    for (number, veth) in veths.iter().enumerate() {
        shown = shown.replace(veth, &format!("veth-{}", number + 1));
    }
    shown
}

/// What of a text may have been made by chance.
pub(super) fn of(text: &str) -> BTreeSet<String> {
    let chosen = |part: &&str| Mac::try_from(*part).is_ok() || is_chosen_name(part);
    words(text).filter(chosen).map(str::to_owned).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
}

/// `veth80c926b6`: as plugins name the node's end.
pub(super) fn is_chosen_name(word: &str) -> bool {
    let digits = word.strip_prefix("veth").unwrap_or_default();
    digits.len() == 8 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_has_no_part_in_what_is_compared() {
        let text = "mac 12:ef:9d:59:1b:cb, fe80::10ef:9dff:fe59:1bcb/64, 02:00:00:00:00:01, 12:ef:9d:59:1b:cb host/veth80c926b6";
        let expected = "mac mac-1, fe80::mac-1/64, mac-2, mac-1 host/veth-1";
        assert_eq!(without(text, &BTreeSet::new()), expected);
        let known = of("02:00:00:00:00:01 veth80c926b6 vethx");
        assert_eq!(known.len(), 2);
        let expected = "mac mac-1, fe80::mac-1/64, 02:00:00:00:00:01, mac-1 host/veth80c926b6";
        assert_eq!(without(text, &known), expected);
    }
}
