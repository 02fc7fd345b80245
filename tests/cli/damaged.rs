//! Files that are nearly components: whatever is in them, the answer is a description or a reason.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::{Scratch, bin_dir, component, run_as};

/// Files that are tried: each is a process or two.
const CASES: u32 = 64;

/// What is done to a place of a file.
#[derive(Clone, Debug)]
enum Damage {
    Octet(u8),
    Cut(usize),
    Repeat(usize),
    End,
}

fn damage() -> impl Strategy<Value = Vec<(Index, Damage)>> {
    let one = prop_oneof![
        6 => any::<u8>().prop_map(Damage::Octet),
        2 => (1..40_usize).prop_map(Damage::Cut),
        2 => (1..40_usize).prop_map(Damage::Repeat),
        1 => Just(Damage::End),
    ];
    prop::collection::vec((any::<Index>(), one), 1..4)
}

fn damaged(file: &[u8], damages: &[(Index, Damage)]) -> Vec<u8> {
    let mut file = file.to_vec();
    for (place, damage) in damages {
        if file.is_empty() {
            break;
        }
        let from = place.index(file.len());
        let to = |length: usize| file.len().min(from + length);
        match damage {
            Damage::Octet(octet) => file[from] = *octet,
            Damage::Cut(length) => drop(file.drain(from..to(*length))),
            Damage::Repeat(length) => {
                let again = file[from..to(*length)].to_vec();
                file.splice(from..from, again);
            }
            Damage::End => file.truncate(from),
        }
    }
    file
}

#[test]
fn a_damaged_component_is_described_or_refused() {
    let scratch = Scratch::new("damaged");
    bin_dir(&scratch.path.join("bin"));
    let wasmcni = scratch.path.join("bin/wasmcni");
    let path = scratch.path.join("file.wasm");
    let files: [&'static [u8]; 3] =
        [component!("honest"), component!("bare-function"), component!("example")];
    let counted = RefCell::new([0_u32; 2]);
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
        .run(&(select(files.to_vec()), damage()), |(file, damages)| {
            std::fs::write(&path, damaged(file, &damages)).unwrap();
            let seen = run_as(&wasmcni, &scratch.path, &["inspect", path.to_str().unwrap()]);
            let said = format!("{}{}", seen.stdout, seen.stderr);
            prop_assert!(!said.contains("panicked"), "{}", said);
            prop_assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", said);
            match seen.status {
                Some(status @ (0 | 1)) => {
                    counted.borrow_mut()[usize::try_from(status).unwrap()] += 1;
                    prop_assert_eq!(status == 1, !seen.stderr.is_empty(), "{}", said);
                    Ok(())
                }
                other => Err(TestCaseError::fail(format!("{other:?}: {said}"))),
            }
        })
        .unwrap();
    assert!(counted.borrow().iter().all(|n| *n > 1), "{counted:?}");
}
