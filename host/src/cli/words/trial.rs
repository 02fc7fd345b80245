//! The words of `wasmcni plan`, `wasmcni test` and `wasmcni snapshot`.

use std::path::PathBuf;

use clap::Args;

use crate::cni::Verb;

pub(super) const PLAN: &str = "\
Runs the plugins of a network configuration as a runtime would, on a simulated kernel: the real
components, grants, journal and reservations, and nothing of this machine touched. No root needed.

Prints what each plugin asks for, in order, with the rule that allows it or why it is refused; the
result; how the node then differs; and what a DEL afterwards would leave.

The node has nothing unless --kernel names a file, such as `wasmcni snapshot` writes. The grants are
those in force on this machine. Native programs are not run.";

pub(super) const PLAN_MORE: &str = "\
Examples:
  wasmcni plan --conf /etc/cni/net.d/mynet.conflist
  sudo wasmcni snapshot > node.json && wasmcni plan --conf mynet.conflist --kernel node.json
  wasmcni plan --conf net.conf --cap '{\"portMappings\": [{\"hostPort\": 80, \"containerPort\": 80}]}'
  wasmcni plan --conf net.conf --grants ./grants --json | jq -r '.calls[].steps[].op'

Files:
  /etc/wasmcni/plugins/NAME.toml       grants, unless --grants is given
  /etc/cni/tuning/allowlist.conf, /run/flannel/subnet.env, and files that the configuration names
                                       are read if they are there, never written

Exit status:
  0  the call would succeed
  1  there is no plan: stderr says why
  2  the command line makes no sense
  3  the call would fail: the plan says where and why";

/// `wasmcni plan`
#[derive(Debug, Args)]
pub(in super::super) struct Plan {
    /// The network configuration: a list, or a single plugin's
    #[arg(long, value_name = "FILE")]
    pub(in super::super) conf: PathBuf,
    /// What is asked; check and del: after an ADD, unless --prev-result is given
    #[arg(long, value_name = "VERB", default_value = "add")]
    pub(in super::super) verb: PlannedVerb,
    /// The node that it happens on (docs/testing.md)
    #[arg(long, value_name = "FILE")]
    pub(in super::super) kernel: Option<PathBuf>,
    /// Directory with NAME.toml for plugins, instead of the grants in force
    #[arg(long, value_name = "DIR")]
    pub(in super::super) grants: Option<PathBuf>,
    /// Name of the container's netns on that node; made if it is not there
    #[arg(long, value_name = "NAME", default_value = "container")]
    pub(in super::super) netns: String,
    /// CNI_CONTAINERID
    #[arg(long, value_name = "ID", default_value = "plan")]
    pub(in super::super) container: String,
    /// CNI_IFNAME
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    pub(in super::super) ifname: String,
    /// CNI_ARGS
    #[arg(long, value_name = "K=V;…", default_value = "")]
    pub(in super::super) args: String,
    /// Capability arguments, as a JSON object by capability
    #[arg(long, value_name = "JSON")]
    pub(in super::super) cap: Option<String>,
    /// ADD's result, or the CNI library's file of it, for check and del
    #[arg(long, value_name = "FILE")]
    pub(in super::super) prev_result: Option<PathBuf>,
    /// As JSON: verb, network, calls (steps: op, verdict, rule), result, error, difference, del
    #[arg(long)]
    pub(in super::super) json: bool,
}

/// The verbs of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in super::super) enum PlannedVerb {
    Add,
    Check,
    Del,
}

impl PlannedVerb {
    pub(in super::super) fn verb(self) -> Verb {
        match self {
            Self::Add => Verb::Add,
            Self::Check => Verb::Check,
            Self::Del => Verb::Del,
        }
    }
}

pub(super) const TEST: &str = "\
Runs test files (*.test.toml, in the directories named and below them). Each has a network
configuration, grants, a node to start from, and steps: a verb with what is to come of it. The real
components run on a simulated kernel; no root needed, nothing of this machine touched.

docs/testing.md has every key; docs/examples/policy-tests has examples.";

pub(super) const TEST_MORE: &str = "\
Examples:
  wasmcni test policy/
  wasmcni test policy/tenant.test.toml --update      write what is seen to its golden file
  wasmcni test policy/ --format junit > report.xml   for CI; or --format tap

Exit status:
  0  every test passed
  1  a test failed or cannot be read, or there is none: the report says which, and what differs
  2  the command line makes no sense";

/// `wasmcni test`
#[derive(Debug, Args)]
pub(in super::super) struct Test {
    /// Test files, and directories with such
    #[arg(value_name = "PATH", required = true)]
    pub(in super::super) paths: Vec<PathBuf>,
    /// How it is told
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(in super::super) format: Format,
    /// Write golden files anew, instead of comparing with them
    #[arg(long)]
    pub(in super::super) update: bool,
}

/// How the outcome of tests is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in super::super) enum Format {
    Text,
    Tap,
    Junit,
}

pub(super) const SNAPSHOT: &str = "\
Writes what the kernel of this node has, as JSON, to stdout: links, addresses, routes, rules,
sysctls that are not the usual ones, wasmcni's nftables entries, and who holds which addresses. With
--netns the same of containers' network namespaces. Changes nothing.

What the simulated kernel has no notion of is left out, and said in the file under `left_out`; so is
what this user may not read.";

pub(super) const SNAPSHOT_MORE: &str = "\
Examples:
  sudo wasmcni snapshot > node.json
  sudo wasmcni snapshot --netns /run/netns/blue --netns /proc/4711/ns/net
  sudo wasmcni snapshot --mask > node.json           to hand on: docs/testing.md says what is masked

Exit status:
  0  done; what could not be read is named on stderr and in the file
  1  failed: stderr says why
  2  the command line makes no sense";

/// `wasmcni snapshot`
#[derive(Debug, Args)]
pub(in super::super) struct Snapshot {
    /// A container's network namespace too: its path, or its name in /run/netns
    #[arg(long, value_name = "PATH|NAME")]
    pub(in super::super) netns: Vec<PathBuf>,
    /// Other addresses, MACs and container names in their places, the same for the same
    #[arg(long)]
    pub(in super::super) mask: bool,
}
