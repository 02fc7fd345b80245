//! The `wasmcni` program. Everything ambient enters here: the name it was called by, the
//! environment, stdin, stdout, and the node.
#![allow(clippy::disallowed_methods, reason = "the one place where the outside comes in")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use wasmcni::audit::Audit;
use wasmcni::call::{self, Reply, World};
use wasmcni::cli::Called;
use wasmcni::cni::{CniError, Code, MAX_STDIN, Plugin, Request, SpecVersion, Verb, stated_version};
use wasmcni::component::{BUNDLED, Bundled, find, store};
use wasmcni::config::Config;
use wasmcni::directories::Directories;
use wasmcni::gate::Trail;
use wasmcni::kernel::linux::BusAddress;
use wasmcni::names::PluginName;
use wasmcni::node::LinuxNode;

/// musl's allocator maps and unmaps memory some two hundred times in one ADD.
/// See `docs/decisions/0008-start-up.md`.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(|name| name.to_str()).unwrap_or("");
    let plugin = find(name).copied().or_else(|| installed(name));
    let Some(plugin) = plugin else {
        let by_runtime = std::env::var_os("CNI_COMMAND").is_some();
        let called = Called { name: name.to_owned(), by_runtime, root: root() };
        return wasmcni::cli::run(&called, words);
    };
    let reply = serve(&plugin);
    // A runtime that closed its end is gone; there is nobody left to tell.
    let _ = std::io::stderr().write_all(reply.stderr.as_bytes());
    let _ = std::io::stdout().write_all(reply.stdout.as_bytes());
    ExitCode::from(reply.status)
}

/// The plugin of this name that was installed on the node. wasmcni's own name is none.
fn installed(name: &str) -> Option<Bundled> {
    let name =
        PluginName::try_from(name).ok().filter(|name| !name.as_str().starts_with("wasmcni"))?;
    store::find(&Directories::below(&root()).config, &name)
}

/// What stands for `/`.
fn root() -> PathBuf {
    std::env::var_os("WASMCNI_ROOT").unwrap_or_else(|| "/".into()).into()
}

/// Serves the call that the environment describes.
fn serve(plugin: &Bundled) -> Reply {
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let text: BTreeMap<&str, &str> =
        environment.iter().filter_map(|(k, v)| Some((k.to_str()?, v.to_str()?))).collect();
    let env = |key: &str| text.get(key).map(|value| (*value).to_owned());
    let about = Plugin {
        name: plugin.name,
        version: env!("CARGO_PKG_VERSION"),
        supported: SpecVersion::of_plugin(plugin.name),
    };
    let stdin = match Verb::from_env(&env) {
        // Called by a person: stdin may be a terminal.
        Ok(None) => Ok(Vec::new()),
        _ => stdin(),
    };
    let stdin = match stdin {
        Ok(stdin) => stdin,
        Err(error) => return Reply::failure(&error, None),
    };
    let request = match Request::parse(&env, &stdin, &about) {
        Ok(request) => request,
        Err(error) => return Reply::failure(&error, stated_version(&stdin)),
    };
    let directories = Directories::below(&root());
    let traceparent = text.get("TRACEPARENT").map(|parent| (*parent).to_owned());
    let audit = match audit(&directories, &request, traceparent) {
        Ok(audit) => audit,
        Err(error) => return Reply::failure(&error, stated_version(&stdin)),
    };
    let system_bus = match text.get("DBUS_SYSTEM_BUS_ADDRESS") {
        Some(listed) => BusAddress::Listed((*listed).to_owned()),
        None => BusAddress::Socket(directories.system_bus.clone()),
    };
    let world = World {
        node: Box::new(LinuxNode { system_bus, deferring_deletes: true }),
        directories,
        plugins: BUNDLED.to_vec(),
        log: Rc::new(|line| eprintln!("wasmcni: {line}")),
        environment: environment.clone(),
        last_call: true,
        trail: Rc::new(if audit.is_some() { Trail::on() } else { Trail::off() }),
        audit,
    };
    call::run(&world, plugin, request)
}

/// The audit that the operator's configuration asks for. If it cannot be read, what the operator wants is not
/// known: nothing is done then, but for DEL, which nothing may keep from cleaning.
fn audit(
    directories: &Directories,
    request: &Request,
    traceparent: Option<String>,
) -> Result<Option<Audit>, CniError> {
    let of_a_del = match request {
        Request::About(_) | Request::Version(_) => return Ok(None),
        Request::Del(_) => true,
        Request::Add(_) | Request::Check(_) | Request::Gc(_) | Request::Status(_) => false,
    };
    match Config::read(&directories.config) {
        Ok(config) => Ok(config.audit().map(|to| Audit::begin(to.clone(), traceparent))),
        Err(error) if of_a_del => {
            eprintln!("wasmcni: warn: going on without an audit: {error}");
            Ok(None)
        }
        Err(error) => Err(CniError::new(Code::InvalidConfiguration, error.to_string())),
    }
}

/// All of stdin, up to what a configuration may be long.
fn stdin() -> Result<Vec<u8>, CniError> {
    let mut bytes = Vec::new();
    let limit = MAX_STDIN as u64 + 1;
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| CniError::new(Code::IoFailure, format!("reading stdin: {e}")))?;
    Ok(bytes)
}
