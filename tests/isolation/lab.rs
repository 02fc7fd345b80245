//! A node to be attacked: calls are made in this process, on the model or on the real kernel, with faults
//! where a test wants them; what may not change is compared.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use wasmcni::call::{self, NetnsProblem, Node, World};
use wasmcni::cni::{Plugin, Request, SpecVersion};
use wasmcni::component::{BUNDLED, Bundled};
use wasmcni::directories::Directories;
use wasmcni::kernel::faults::{At, Faults, Operation, Record};
use wasmcni::kernel::linux::{BusAddress, ContainerNetns, LinuxKernel};
use wasmcni::kernel::sim::SimNode;
use wasmcni::kernel::{Errno, Kernel};

use super::real;

/// Longer than any call in here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a lab's containers are on Linux; on the model a namespace has the last part as its name.
const NETNS: &str = "/run/netns";

/// What a test does to an operation of the kernel.
pub(crate) enum Mishap {
    /// It is refused and not done.
    Refused(Errno),
    /// It is done, and the answer says otherwise.
    Lost(Errno),
    /// Something else happens first.
    Preceded(Box<dyn FnMut(&Operation) + Send>),
}

/// The kernel of a lab.
#[derive(Clone)]
pub(crate) enum Machine {
    Sim(Rc<SimNode>),
    Linux,
}

/// A node with its directories, gone when this is dropped.
pub(crate) struct Lab {
    pub(crate) machine: Machine,
    root: PathBuf,
    plugins: Vec<Bundled>,
    args: String,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// 0: it succeeded.
    pub(crate) status: u8,
    pub(crate) stdout: String,
    /// Lines for the operator.
    pub(crate) log: Vec<String>,
    /// What was asked of the kernel.
    pub(crate) operations: Vec<Operation>,
}

struct FaultyNode {
    machine: Machine,
    system_bus: BusAddress,
    mishaps: RefCell<Vec<(At, Mishap)>>,
    records: Rc<RefCell<Vec<Record>>>,
}

impl Lab {
    /// On the model, with the container netns `blue` and `red`.
    pub(crate) fn sim() -> Self {
        let mut node = SimNode::new();
        node.add_netns("blue");
        node.add_netns("red");
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        Self::new(Machine::Sim(Rc::new(node)), root.join("isolation"))
    }

    /// On the real kernel, in a sandbox.
    pub(crate) fn linux() -> Self {
        Self::new(Machine::Linux, PathBuf::from("/run/lab"))
    }

    fn new(machine: Machine, below: PathBuf) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = below.join(format!("{}-{number}", std::process::id()));
        // Of a former process with this number that was stopped.
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        Self { machine, root, plugins: BUNDLED.to_vec(), args: String::new() }
    }

    /// With this as CNI_ARGS of all further calls.
    pub(crate) fn set_args(&mut self, args: &str) {
        args.clone_into(&mut self.args);
    }

    /// Gives a plugin these grants in place of the ones that it was shipped with.
    pub(crate) fn grants(&self, plugin: &str, text: &str) {
        let dir = self.directories().config.join("plugins");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(format!("{plugin}.toml")), text).unwrap();
    }

    /// With a further plugin to delegate to.
    pub(crate) fn with(mut self, plugin: Bundled) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// Where all its directories are.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Its directories.
    pub(crate) fn directories(&self) -> Directories {
        Directories::below(&self.root)
    }

    /// Where it looks for firewalld, on the real kernel.
    pub(crate) fn system_bus(&self) -> BusAddress {
        BusAddress::Socket(self.directories().system_bus)
    }

    /// Where a configuration has host-local keep its reservations.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.directories().reservations
    }

    /// The model.
    pub(crate) fn model(&self) -> &SimNode {
        match &self.machine {
            Machine::Sim(node) => node,
            Machine::Linux => panic!("this lab is on the real kernel"),
        }
    }

    /// A call with nothing in its way.
    pub(crate) fn call(&self, plugin: &Bundled, verb: &str, conf: &Value, id: &str) -> Outcome {
        self.call_with(plugin, verb, conf, id, Vec::new())
    }

    /// A call for container `id`, whose netns is `blue`, or `red` for the container of that name.
    pub(crate) fn call_with(
        &self,
        plugin: &Bundled,
        verb: &str,
        conf: &Value,
        id: &str,
        mishaps: Vec<(At, Mishap)>,
    ) -> Outcome {
        let env = |key: &str| {
            let value = match key {
                "CNI_COMMAND" => verb,
                "CNI_CONTAINERID" => id,
                "CNI_NETNS" if id == "red" => return Some(format!("{NETNS}/red")),
                "CNI_NETNS" => return Some(format!("{NETNS}/blue")),
                "CNI_IFNAME" => "eth0",
                "CNI_PATH" => "/nonexistent",
                "CNI_ARGS" => &self.args,
                _ => return None,
            };
            Some(value.to_owned())
        };
        let supported = SpecVersion::of_plugin(plugin.name);
        let about = Plugin { name: plugin.name, version: "0.0.0", supported };
        let request = Request::parse(&env, conf.to_string().as_bytes(), &about).unwrap();
        let records = Rc::new(RefCell::new(Vec::new()));
        let node = FaultyNode {
            machine: self.machine.clone(),
            system_bus: self.system_bus(),
            mishaps: RefCell::new(mishaps),
            records: Rc::clone(&records),
        };
        let log = Rc::new(RefCell::new(Vec::new()));
        let heard = Rc::clone(&log);
        let world = World {
            node: Box::new(node),
            directories: self.directories(),
            plugins: self.plugins.clone(),
            log: Rc::new(move |line| heard.borrow_mut().push(line.to_owned())),
            environment: Vec::new(),
            last_call: false,
            trail: Rc::default(),
            recorder: None,
            audit: None,
        };
        let reply = call::run(&world, plugin, request);
        let operations = records.borrow().iter().flat_map(Record::operations).collect();
        let log = log.borrow().clone();
        Outcome { status: reply.status, stdout: reply.stdout, log, operations }
    }

    /// Everything that a failed call may not change, a line each: links, addresses, routes, sysctls, NAT
    /// and guards; reservations and journals.
    ///
    /// Not in it: directories and locks, which are empty; the last address reserved, which is a hint where
    /// to look next; the index of the reservations, which is made of them; 127.0.0.1, which the kernel gives a
    /// loopback device when it is first raised, and leaves when it is lowered.
    pub(crate) fn state(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        match &self.machine {
            Machine::Sim(node) => {
                flatten("", &serde_json::to_value(node.snapshot()).unwrap(), &mut lines)
            }
            Machine::Linux => lines.extend(real::observe(&netns("blue"), self.system_bus())),
        }
        lines.retain(|line| !line.contains("127.0.0.1/8"));
        lines.extend(self.files());
        lines
    }

    /// Reservations, journals, saved configurations.
    pub(crate) fn files(&self) -> Vec<String> {
        let directories = self.directories();
        let journals = walk(&directories.run.join("attachments")).into_iter();
        let reservations = walk(&directories.reservations).into_iter().filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name != "lock" && !name.starts_with("last_reserved_ip")
        });
        let line = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            format!("{}: {text:?}", path.strip_prefix(&self.root).unwrap().display())
        };
        let saved = walk(&directories.saved_configurations).into_iter();
        journals.chain(reservations).chain(saved).map(line).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl Node for FaultyNode {
    fn kernel(&self, netns: Option<&Path>) -> Result<Box<dyn Kernel>, NetnsProblem> {
        match &self.machine {
            Machine::Sim(node) => {
                let name = netns.and_then(Path::file_name).and_then(|name| name.to_str());
                Ok(self.faulty(node.kernel(name)))
            }
            Machine::Linux => {
                let container = netns.map(|path| ContainerNetns::open(path).unwrap());
                let kernel = LinuxKernel::new(container).unwrap();
                Ok(self.faulty(kernel.on_bus(self.system_bus.clone())))
            }
        }
    }
}

impl FaultyNode {
    fn faulty<K: Kernel + 'static>(&self, kernel: K) -> Box<dyn Kernel> {
        let mut faults = Faults::new(kernel);
        for (at, mishap) in self.mishaps.borrow_mut().drain(..) {
            faults = match mishap {
                Mishap::Refused(errno) => faults.refuse(at, errno),
                Mishap::Lost(errno) => faults.lose(at, errno),
                Mishap::Preceded(action) => faults.before(at, action),
            };
        }
        self.records.borrow_mut().push(faults.record());
        Box::new(faults)
    }
}

impl Outcome {
    /// The result of a success.
    #[track_caller]
    pub(crate) fn success(&self) -> Value {
        assert_eq!(self.status, 0, "{self:?}");
        if self.stdout.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&self.stdout).unwrap()
        }
    }

    /// Code and details of a failure.
    #[track_caller]
    pub(crate) fn failure(&self) -> (u64, String) {
        assert_eq!(self.status, 1, "{self:?}");
        let error: Value = serde_json::from_str(&self.stdout).unwrap();
        let details = error["details"].as_str().unwrap_or_default().to_owned();
        (error["code"].as_u64().expect("an error has a code"), details)
    }
}

/// `/run/netns/NAME`.
pub(crate) fn netns(name: &str) -> PathBuf {
    Path::new(NETNS).join(name)
}

/// A network of the hostile plugin, with these further keys.
pub(crate) fn hostile_conf(lab: &Lab, more: Value) -> Value {
    let mut conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "hostile", "bridge": "evil0",
        "ipam": { "type": "host-local", "subnet": "10.30.0.0/24", "dataDir": lab.data_dir() },
    });
    let Value::Object(more) = more else { panic!("{more} is no object") };
    conf.as_object_mut().unwrap().extend(more);
    conf
}

/// What changed: `-` is gone, `+` is new.
#[track_caller]
pub(crate) fn assert_same(before: &BTreeSet<String>, after: &BTreeSet<String>, what: &str) {
    let gone = before.difference(after).map(|line| format!("- {line}"));
    let new = after.difference(before).map(|line| format!("+ {line}"));
    let changed: Vec<String> = gone.chain(new).collect();
    assert!(changed.is_empty(), "{what}:\n{}", changed.join("\n"));
}

/// Runs a test that must not wait for ever, and fails if it does. What then goes on does so until the tests
/// end.
#[track_caller]
pub(crate) fn in_time(test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        test();
        let _ = done.send(());
    });
    match ended.recv_timeout(PATIENCE) {
        Ok(()) => {}
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("it sent nothing"));
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("not over after {PATIENCE:?}"),
    }
}

/// Every file below a directory.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

/// A line for every leaf of a document.
fn flatten(path: &str, value: &Value, lines: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            // An empty object is something, too.
            lines.insert(format!("{path}/"));
            for (key, value) in object {
                flatten(&format!("{path}/{key}"), value, lines);
            }
        }
        Value::Array(all) => lines.extend(all.iter().map(|value| format!("{path}: {value}"))),
        leaf => {
            lines.insert(format!("{path}: {leaf}"));
        }
    }
}
