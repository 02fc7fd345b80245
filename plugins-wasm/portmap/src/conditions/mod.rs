//! `conditionsV4` and `conditionsV6`: what a packet must be like, in the words of `iptables` or of `nft`.
//!
//! Both programs know hundreds of words. These are read: addresses, links, ports, marks. Another one is an
//! error that names it, never left out: a condition that is not kept opens a port to more than it says.

mod iptables;
mod nft;
mod values;

use wasmcni_sdk::Error;
use wasmcni_sdk::port_map::Condition;

/// Whose words conditions are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Iptables,
    Nft,
}

/// A word that is not understood, or whose value is wrong, and why.
#[derive(Debug, PartialEq, Eq)]
struct Bad {
    word: String,
    why: String,
}

impl Bad {
    fn new(word: &str, why: impl Into<String>) -> Self {
        Self { word: word.to_owned(), why: why.into() }
    }

    fn end(after: &str, expected: &str) -> Self {
        Self::new(after, format!("it must be followed by {expected}"))
    }
}

/// Reads the conditions of a key: their form, which is none if there are none, and what they say.
///
/// # Errors
/// Code 7 with the key and the word.
pub(crate) fn read(
    key: &str,
    texts: &[String],
    ipv4: bool,
) -> Result<(Option<Form>, Vec<Condition>), Error> {
    let text = texts.join(" ");
    let Some(first) = text.trim_start().chars().next() else { return Ok((None, Vec::new())) };
    let form = if matches!(first, '-' | '!') { Form::Iptables } else { Form::Nft };
    let read = match form {
        Form::Iptables => iptables::read(&text, ipv4),
        Form::Nft => nft::read(&text, ipv4),
    };
    match read {
        Ok(conditions) => Ok((Some(form), conditions)),
        Err(Bad { word, why }) => Err(Error::config(key, format_args!("{word:?}"), &why)),
    }
}
