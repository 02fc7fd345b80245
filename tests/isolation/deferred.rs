//! Links that a child process deletes: `docs/decisions/0007-deferred-delete.md`. Once DEL has returned, nobody
//! can tell.

use std::fs::File;
use std::os::fd::AsFd;

use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use super::lab::{Lab, assert_same};
use super::networks::{BRIDGE, PTP, undo_shared};
use super::processes::{Orphan, Runtime, look_for_orphan, reap, was_killed};
use crate::harness::netns::{self as witness, Netns};
use crate::harness::programs::require;
use crate::harness::sandbox;

/// How many DELs may pass until some were caught with their child running.
const TRIES: usize = 200;

fn on_linux(test: impl FnOnce(&Lab, &Runtime<'_>, &Netns)) {
    sandbox::run(|| {
        let blue = Netns::new("blue");
        let lab = Lab::linux();
        let runtime = Runtime::new(&lab);
        test(&lab, &runtime, &blue);
    });
}

#[test]
fn after_del_the_link_is_gone_and_its_name_free() {
    on_linux(|lab, runtime, blue| {
        if !require("ip") {
            return;
        }
        for network in [&BRIDGE, &PTP] {
            let conf = network.conf(lab);
            for _ in 0..5 {
                runtime.call("ADD", &conf);
                assert_eq!(witness::names(&blue.ip_json(&["link"])), ["lo", "eth0"]);
                // Without waiting for the child.
                let del = runtime.start("DEL", &conf).wait_with_output().unwrap();
                assert!(del.status.success(), "{del:?}");
                assert_eq!(witness::names(&blue.ip_json(&["link"])), ["lo"]);
                let node = witness::names(&witness::ip_json(&["link"]));
                assert!(node.iter().all(|name| name == "lo" || name == "br9"), "{node:?}");
                let add = runtime.start("ADD", &conf).wait_with_output().unwrap();
                assert!(add.status.success(), "the name is not free: {add:?}");
                runtime.call("DEL", &conf);
            }
            undo_shared(lab);
        }
    });
}

/// A runtime reads to the end of the pipes, which comes with the end of the last process that holds them: once
/// DEL has ended, at once, and its locks are free.
#[test]
fn the_child_holds_no_pipe_and_no_lock() {
    on_linux(|lab, runtime, _| {
        let conf = PTP.conf(lab);
        let locks = [lab.directories().run.join("lock"), lab.data_dir().join("net/lock")];
        let mut caught = 0;
        for _ in 0..TRIES {
            runtime.call("ADD", &conf);
            let mut del = runtime.start("DEL", &conf);
            let (stdout, stderr) = (del.stdout.take().unwrap(), del.stderr.take().unwrap());
            assert!(del.wait().unwrap().success());
            assert!(has_no_writer(&stdout), "stdout is held");
            assert!(has_no_writer(&stderr), "stderr is held");
            for path in &locks {
                let had = Flock::lock(File::open(path).unwrap(), FlockArg::LockExclusiveNonblock);
                assert!(had.is_ok(), "{path:?} is held");
            }
            assert_eq!(lab.files(), [""; 0]);
            match look_for_orphan() {
                Orphan::Running => caught += 1,
                Orphan::Ended(code) => assert_eq!(code, 0),
                Orphan::None => panic!("there was no child: DEL defers nothing"),
            }
            reap();
            if caught == 3 {
                return;
            }
        }
        panic!("in {TRIES} times the child was never there to be looked at");
    });
}

fn has_no_writer(pipe: &impl AsFd) -> bool {
    let mut polled = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    poll(&mut polled, PollTimeout::ZERO).unwrap();
    polled[0].revents().unwrap().contains(PollFlags::POLLHUP)
}

#[test]
fn many_dels_leave_one_process_each_and_no_zombie() {
    on_linux(|lab, runtime, _| {
        let conf = BRIDGE.conf(lab);
        const DELS: usize = 20;
        for _ in 0..DELS {
            let add = runtime.start("ADD", &conf).wait_with_output().unwrap();
            let del = runtime.start("DEL", &conf).wait_with_output().unwrap();
            assert!(add.status.success() && del.status.success(), "{add:?} {del:?}");
        }
        // Whoever adopts them reaps them; there are no more.
        assert_eq!(reap(), vec![0; DELS]);
        assert_eq!(look_for_orphan(), Orphan::None);
    });
}

/// The child has been made, and its parent dies before it can hear of anything.
#[test]
fn a_parent_that_dies_at_the_fork_leaves_nothing() {
    on_linux(|lab, runtime, _| {
        for network in [&BRIDGE, &PTP] {
            let conf = network.conf(lab);
            runtime.call("ADD", &conf);
            runtime.call("DEL", &conf);
            let before = lab.state();
            for _ in 0..3 {
                runtime.call("ADD", &conf);
                assert!(was_killed(&runtime.mishap("kill-at-fork", 0, "DEL", &conf)));
                assert_eq!(reap(), [0], "the child does its work");
                runtime.call("DEL", &conf);
                assert_same(&before, &lab.state(), "kill-at-fork, DEL");
            }
            undo_shared(lab);
        }
    });
}

#[test]
fn where_no_process_can_be_made_the_link_is_deleted_all_the_same() {
    on_linux(|lab, runtime, _| {
        let conf = BRIDGE.conf(lab);
        runtime.call("ADD", &conf);
        runtime.call("DEL", &conf);
        let before = lab.state();
        runtime.call("ADD", &conf);
        let del = runtime.mishap("no-fork", 0, "DEL", &conf);
        assert!(del.status.success(), "{del:?}");
        assert_eq!(look_for_orphan(), Orphan::None);
        assert_same(&before, &lab.state(), "no-fork");
        // It is the filter that kept it from making one.
        runtime.call("ADD", &conf);
        let del: Value = runtime.call("DEL", &conf);
        assert_eq!(del, Value::Null);
    });
}
