//! The `wasmcni` program. Everything ambient enters here: the name it was called by, the
//! environment, stdin, stdout, and the node.
#![allow(clippy::disallowed_methods, reason = "the one place where the outside comes in")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;

use wasmcni::call::{self, Reply, World};
use wasmcni::cli::Called;
use wasmcni::cni::{MAX_STDIN, Plugin, Request, SpecVersion, Verb, stated_version};
use wasmcni::component::{BUNDLED, Bundled, find};
use wasmcni::directories::Directories;
use wasmcni::kernel::linux::BusAddress;
use wasmcni::node::LinuxNode;

/// musl's allocator maps and unmaps memory some two hundred times in one ADD.
/// See `docs/decisions/0008-start-up.md`.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let called = words.next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(|name| name.to_str()).unwrap_or("");
    let Some(plugin) = find(name) else {
        let root = std::env::var_os("WASMCNI_ROOT").unwrap_or_else(|| "/".into());
        let by_runtime = std::env::var_os("CNI_COMMAND").is_some();
        let called = Called { name: name.to_owned(), by_runtime, root: root.into() };
        return wasmcni::cli::run(&called, words);
    };
    let reply = serve(plugin);
    // A runtime that closed its end is gone; there is nobody left to tell.
    let _ = std::io::stderr().write_all(reply.stderr.as_bytes());
    let _ = std::io::stdout().write_all(reply.stdout.as_bytes());
    ExitCode::from(reply.status)
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
    let request = match stdin {
        Ok(stdin) => Request::parse(&env, &stdin, &about).map_err(|e| (e, stated_version(&stdin))),
        Err(error) => Err((error, None)),
    };
    let request = match request {
        Ok(request) => request,
        Err((error, version)) => return Reply::failure(&error, version),
    };
    let root = text.get("WASMCNI_ROOT").copied().unwrap_or("/");
    let directories = Directories::below(Path::new(root));
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
    };
    call::run(&world, plugin, request)
}

/// All of stdin, up to what a configuration may be long.
fn stdin() -> Result<Vec<u8>, wasmcni::cni::CniError> {
    use wasmcni::cni::{CniError, Code};
    let mut bytes = Vec::new();
    let limit = MAX_STDIN as u64 + 1;
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|e| CniError::new(Code::IoFailure, format!("reading stdin: {e}")))?;
    Ok(bytes)
}
