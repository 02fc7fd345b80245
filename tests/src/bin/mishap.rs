//! `mishap PLUGIN KIND [NUMBER]`: a plugin's process, with the environment and stdin of a CNI call, to which
//! something happens:
//!
//! - `kill-before N`, `kill-after N`: SIGKILL right before or after the N-th operation on the kernel;
//! - `kill-at-fork`: SIGKILL as soon as it has made a child;
//! - `no-fork`: the kernel makes no process for it;
//! - `file-limit N`: no file of it grows beyond N octets, as on a full disk.
#![allow(
    unsafe_code,
    reason = "two system calls that the product has no use for; each block argues"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a part of the tests"
)]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use wasmcni::call::{self, NetnsProblem, Node, World};
use wasmcni::cni::{Plugin, Request, SpecVersion};
use wasmcni::component::{BUNDLED, find};
use wasmcni::directories::Directories;
use wasmcni::kernel::Kernel;
use wasmcni::kernel::faults::{At, Faults};
use wasmcni::kernel::linux::{BusAddress, ContainerNetns, LinuxKernel};

/// The real node, where the process dies at one operation.
struct Deadly {
    system_bus: BusAddress,
    kind: String,
    number: usize,
}

impl Node for Deadly {
    fn kernel(&self, netns: Option<&Path>) -> Result<Box<dyn Kernel>, NetnsProblem> {
        let container = match netns.map(|path| (path, ContainerNetns::open(path))) {
            Some((path, Err(e))) => {
                return Err(NetnsProblem { path: path.to_owned(), reason: e.to_string() });
            }
            Some((_, Ok(container))) => Some(container),
            None => None,
        };
        let kernel = LinuxKernel::new(container).unwrap().deferring_deletes();
        let kernel = Faults::new(kernel.on_bus(self.system_bus.clone()));
        let at = At::Number(self.number);
        Ok(match self.kind.as_str() {
            "kill-before" => Box::new(kernel.before(at, |_| die())),
            "kill-after" => Box::new(kernel.after(at, |_| die())),
            _ => Box::new(kernel),
        })
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let plugin = words.next().and_then(|name| find(&name)).expect("mishap PLUGIN KIND [NUMBER]");
    let kind = words.next().expect("mishap PLUGIN KIND [NUMBER]");
    let number = words.next().map_or(0, |number| number.parse().expect("a number"));
    match kind.as_str() {
        "kill-before" | "kill-after" => {}
        "kill-at-fork" => kill_at_fork(),
        "no-fork" => no_fork(),
        "file-limit" => {
            // Or else the signal would end the process: it is to see the error.
            [Signal::SIGXFSZ].into_iter().collect::<SigSet>().thread_block().unwrap();
            setrlimit(Resource::RLIMIT_FSIZE, number as u64, number as u64).unwrap();
        }
        other => panic!("no kind {other:?}"),
    }
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    let mut stdin = Vec::new();
    std::io::stdin().read_to_end(&mut stdin).unwrap();
    let about = Plugin {
        name: plugin.name,
        version: "0.0.0",
        supported: SpecVersion::of_plugin(plugin.name),
    };
    let request = Request::parse(&|key| environment.get(key).cloned(), &stdin, &about).unwrap();
    let directories = Directories::below(Path::new(&environment["WASMCNI_ROOT"]));
    let system_bus = BusAddress::Socket(directories.system_bus.clone());
    let world = World {
        node: Box::new(Deadly { system_bus, kind, number }),
        directories,
        plugins: BUNDLED.to_vec(),
        log: Rc::new(|line| eprintln!("{line}")),
        environment: Vec::new(),
        last_call: true,
        trail: Rc::default(),
        recorder: None,
        audit: None,
    };
    let reply = call::run(&world, plugin, request);
    std::io::stdout().write_all(reply.stdout.as_bytes()).unwrap();
    ExitCode::from(reply.status)
}

fn die() {
    kill(Pid::this(), Signal::SIGKILL).unwrap();
}

fn kill_at_fork() {
    extern "C" fn parent() {
        // SAFETY: kill(2) and getpid(2) may be called wherever a signal handler may be; the process ends.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
    // SAFETY: the handler runs in the parent, after fork(2) and before it returns; it makes two system calls
    // and lives as long as the program.
    let done = unsafe { libc::pthread_atfork(None, Some(parent), None) };
    assert_eq!(done, 0);
}

/// Has the kernel answer EAGAIN to whoever wants a process, and let threads be. (RLIMIT_NPROC does not count
/// for the user that is root outside of all user namespaces.)
fn no_fork() {
    let load = |at| libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: at };
    let answer = |k| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k };
    let clone = u32::try_from(libc::SYS_clone).unwrap();
    let thread = u32::try_from(libc::CLONE_THREAD).unwrap();
    let again = u32::try_from(libc::EAGAIN).unwrap();
    // struct seccomp_data: the call's number at 0, the low half of its first argument at 16.
    let mut program = [
        load(0),
        libc::sock_filter { code: 0x15, jt: 0, jf: 3, k: clone },
        load(16),
        libc::sock_filter { code: 0x45, jt: 1, jf: 0, k: thread },
        answer(libc::SECCOMP_RET_ERRNO | again),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 6, filter: program.as_mut_ptr() };
    nix::sys::prctl::set_no_new_privs().unwrap();
    // SAFETY: the program is a valid one of six instructions, in memory that lives until prctl(2) has
    // returned; the kernel copies it.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
