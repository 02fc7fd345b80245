//! The attacks, by name: what uses things up and what breaks off. What reaches for more is in
//! [`crate::reach`].

use std::hint::black_box;

use wasmcni_sdk::log::{self, Level};
use wasmcni_sdk::net::{self, Role};
use wasmcni_sdk::{Error, code};

use crate::attach::Made;
use crate::{Conf, reach, sequence};

/// Octets of a text that no host should take.
pub(crate) const HUGE: usize = 8 << 20;

/// Does what the configuration names.
///
/// # Errors
/// What the host refuses.
pub(crate) fn run(conf: &Conf, made: &Made) -> Result<(), Error> {
    match conf.attack.as_str() {
        "" => Ok(()),
        "spin" => spin(),
        "memory" => fill_memory(),
        "recurse" => {
            black_box(recurse(black_box(1)));
            Ok(())
        }
        "host-calls" => loop {
            drop(net::enter(Role::Host)?);
        },
        "handles" => hoard_handles(),
        "log-lines" => loop {
            log::debug("x");
        },
        "log-flood" => {
            let line = "y".repeat(conf.number as usize);
            for _ in 0..100 {
                log::log(Level::Info, &line);
            }
            Ok(())
        }
        "log-text" => {
            log::log(Level::Info, &conf.value);
            Ok(())
        }
        "huge-text" => {
            net::enter(Role::Host)?.find_link(&"z".repeat(HUGE)).map(|_| ()).map_err(Into::into)
        }
        "sequence" => {
            sequence::run(&conf.acts);
            Ok(())
        }
        "unreachable" => stop(),
        #[allow(clippy::panic, reason = "that is the attack")]
        "panic" => panic!("as it was told"),
        "fail" => {
            Err(Error { code: conf.number, msg: "told to".into(), details: conf.value.clone() })
        }
        "huge-error" => Err(Error::new(code::INTERNAL, "w".repeat(HUGE))),
        _ => reach::run(conf, made),
    }
}

fn spin() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn fill_memory() -> Result<(), Error> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 16]));
    }
}

/// Not a loop to the compiler: there is work to do after the call.
fn recurse(depth: u64) -> u64 {
    if depth == 0 { 0 } else { black_box(recurse(black_box(depth + 1))) + depth }
}

fn hoard_handles() -> Result<(), Error> {
    let mut hoard = Vec::new();
    loop {
        hoard.push(net::enter(Role::Host)?);
    }
}

/// A trap without the panic's message.
fn stop() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    std::process::abort();
}
