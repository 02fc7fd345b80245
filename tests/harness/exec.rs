//! Plugins executed as a runtime executes them: a program by its name, an environment, stdin.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// The program, as `cargo build` makes it.
pub(crate) fn wasmcni_binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_wasmcni-under-test"))
}

/// A directory such as `/opt/cni/bin`, with a symlink for each bundled plugin.
pub(crate) fn plugin_dir(dir: &Path) -> PathBuf {
    std::fs::create_dir_all(dir).unwrap();
    for plugin in wasmcni::component::BUNDLED {
        let link = dir.join(plugin.name);
        if !link.exists() {
            std::os::unix::fs::symlink(wasmcni_binary(), link).unwrap();
        }
    }
    dir.to_owned()
}

/// One execution of a plugin.
#[derive(Debug, Clone)]
pub(crate) struct Exec {
    program: PathBuf,
    environment: BTreeMap<String, String>,
    stdin: Vec<u8>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Exec {
    /// Of the program at `path`, with nothing in its environment.
    pub(crate) fn of(path: &Path) -> Self {
        Self { program: path.to_owned(), environment: BTreeMap::new(), stdin: Vec::new() }
    }

    /// The same call of another program.
    pub(crate) fn calling(self, program: &Path) -> Self {
        Self { program: program.to_owned(), ..self }
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.environment.insert(key.to_owned(), value.into());
        self
    }

    /// Takes a variable away.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.environment.remove(key);
        self
    }

    /// Sets what a runtime sets for `verb` of an attachment.
    pub(crate) fn attachment(self, verb: &str, id: &str, netns: &str, ifname: &str) -> Self {
        let path = self.program.parent().unwrap().display().to_string();
        self.env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", id)
            .env("CNI_NETNS", netns)
            .env("CNI_IFNAME", ifname)
            .env("CNI_PATH", path)
    }

    /// Points wasmcni's directories below `root`.
    pub(crate) fn root(self, root: &Path) -> Self {
        self.env("WASMCNI_ROOT", root.display().to_string())
    }

    /// Sets stdin.
    pub(crate) fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Outcome {
        self.start().finish()
    }

    /// Starts it, and gives it its stdin.
    pub(crate) fn start(&self) -> Running {
        let mut child = Command::new(&self.program)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("executing {:?}: {e}", self.program));
        // A plugin that does not read its stdin closes it; that is no failure of the test.
        let _ = child.stdin.take().unwrap().write_all(&self.stdin);
        Running { child }
    }
}

/// An execution that is under way.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
}

impl Running {
    /// Waits for its end.
    pub(crate) fn finish(self) -> Outcome {
        let output = self.child.wait_with_output().unwrap();
        Outcome {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Outcome {
    /// The JSON document on stdout: exactly one.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is not one JSON document ({e}): {self:?}"))
    }

    /// The result of a success.
    #[track_caller]
    pub(crate) fn success(&self) -> Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        if self.stdout.is_empty() { Value::Null } else { self.json() }
    }

    /// Code and details of a failure.
    #[track_caller]
    pub(crate) fn failure(&self) -> (u64, String) {
        assert_eq!(self.status, Some(1), "{self:?}");
        let error = self.json();
        let details = error["details"].as_str().unwrap_or_default().to_owned();
        (error["code"].as_u64().expect("an error has a code"), details)
    }
}
