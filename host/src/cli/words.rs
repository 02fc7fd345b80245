//! What can be typed, and what help says of it.

mod audit;
mod author;
mod plugin;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(super) use audit::Explain;
pub(super) use author::{Language, New, Pack, Wit};
pub(super) use plugin::{Add, Inspect, List, Plugin, PluginCommand, Remove, Upgrade};

use crate::cni::Verb;

/// Where runtimes look for plugins unless told otherwise (CNI_PATH).
pub(super) const PLUGIN_DIRECTORY: &str = "/opt/cni/bin";

const ABOUT: &str = "\
wasmcni runs CNI plugins as sandboxed WebAssembly components. A container runtime calls it under
the names of the plugins (bridge, host-local, …: symlinks to it), an operator as wasmcni.";

const MORE: &str = "\
The trust boundary:
  runtime -> wasmcni  takes CNI's variables and stdin, and has all rights of its caller, root
  wasmcni -> plugin   a component: no files, sockets, environment or processes of its own
  plugin  -> kernel   through wasmcni alone: each act needs a grant, and is undone if ADD fails

Examples:
  wasmcni demo                         see it work: no root needed, nothing outside is touched
  sudo wasmcni install --dry-run       what installing would do to /opt/cni/bin
  sudo wasmcni install                 do it
  wasmcni plugins                      what each plugin is, its limits, what it may do
  wasmcni grants bridge                the rules that are in force for it
  sudo wasmcni explain 7f0c             what was done for that container, and by which rules
  wasmcni inspect acme.wasm            what a component of others could do
  sudo wasmcni plugin add acme.wasm --name acme --accept
                                       install it with the rights that it asks for
  wasmcni new acme                     begin a plugin of your own
  wasmcni plan --conf net.conflist     what attaching a container would do, and which rules allow it
  wasmcni test policy/                 run tests of configurations, grants and plugins, without root
  wasmcni policy check                 whether your grant files are good: every error, and doubts
  sudo wasmcni doctor                  what the reference plugins left, after a switch

Exit status:
  0  done
  1  failed: stderr says what, with what value, and what to do; doctor: found something
  2  the command line makes no sense
  Under a plugin's name: 0 with a CNI result, 1 with a CNI error, on stdout.

Files:
  /opt/cni/bin/wasmcni                 this binary; beside it a symlink for each plugin
  /etc/wasmcni/wasmcni.toml            where an audit is written; which native plugins may be
                                       executed as delegates
  /etc/wasmcni/plugins/NAME.toml       your grants for a plugin, instead of those it came with
  /var/lib/wasmcni/                    components of others, and their compiled code
  /run/wasmcni/                        journals and locks, gone at reboot
  /var/lib/cni/networks/               addresses that containers hold

Environment:
  WASMCNI_ROOT                         directory that stands for / in /etc, /run and /var/lib above";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "wasmcni",
    version,
    about = ABOUT,
    after_help = MORE,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(super) struct Line {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// An operator's command.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(
        about = "See it work: two containers on a bridge, in a node that is thrown away",
        long_about = DEMO,
        after_long_help = DEMO_MORE
    )]
    Demo,
    #[command(
        about = "List what the reference plugins or a crash left on this node, and what removes it",
        long_about = DOCTOR,
        after_long_help = DOCTOR_MORE
    )]
    Doctor(Doctor),
    #[command(
        about = "Place wasmcni and a symlink per plugin where the runtime looks for plugins",
        long_about = INSTALL,
        after_long_help = INSTALL_MORE
    )]
    Install(Install),
    #[command(
        about = "Tell who did what for a container, and which rule allowed it",
        long_about = audit::EXPLAIN,
        after_long_help = audit::EXPLAIN_MORE
    )]
    Explain(Explain),
    #[command(
        about = "Show what a component is and what it could do, without running it",
        long_about = plugin::INSPECT,
        after_long_help = plugin::INSPECT_MORE
    )]
    Inspect(Inspect),
    #[command(
        about = "Begin a plugin of your own: a directory that builds, with tests",
        long_about = author::NEW,
        after_long_help = author::NEW_MORE
    )]
    New(New),
    #[command(
        about = "Write the contract with plugins as WIT, or what of it grants give",
        long_about = author::WIT,
        after_long_help = author::WIT_MORE
    )]
    Wit(Wit),
    #[command(
        about = "Make the file that is shipped of a component and the rights that it asks for",
        long_about = author::PACK,
        after_long_help = author::PACK_MORE
    )]
    Pack(Pack),
    #[command(
        about = "Add, upgrade, list and remove plugins of others, with the rights that you give them",
        long_about = plugin::PLUGIN,
        after_long_help = plugin::PLUGIN_MORE
    )]
    Plugin(Plugin),
    #[command(
        about = "List the plugins: what each does, its limits, what it may do",
        long_about = PLUGINS,
        after_long_help = PLUGINS_MORE
    )]
    Plugins,
    #[command(
        about = "Print the grants that are in force for a plugin, and say where they come from",
        long_about = GRANTS,
        after_long_help = GRANTS_MORE
    )]
    Grants(Grants),
    #[command(
        about = "Say what a call would do, step by step, and which rule allows each: on a simulated node",
        long_about = PLAN,
        after_long_help = PLAN_MORE
    )]
    Plan(Plan),
    #[command(
        about = "Run test files: a configuration, grants and a node, and what is to come of a call",
        long_about = TEST,
        after_long_help = TEST_MORE
    )]
    Test(Test),
    #[command(
        about = "Write what this node's kernel has to a file that plans and tests start from",
        long_about = SNAPSHOT,
        after_long_help = SNAPSHOT_MORE
    )]
    Snapshot(Snapshot),
    #[command(
        about = "Check grant files and the node's configuration: every error, by file and line",
        long_about = POLICY,
        after_long_help = POLICY_MORE
    )]
    Policy(Policy),
}

impl Command {
    /// As it is typed.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Doctor(_) => "doctor",
            Self::Explain(_) => "explain",
            Self::Inspect(_) => "inspect",
            Self::Install(_) => "install",
            Self::New(_) => "new",
            Self::Wit(_) => "wit",
            Self::Pack(_) => "pack",
            Self::Plugin(_) => "plugin",
            Self::Plugins => "plugins",
            Self::Grants(_) => "grants",
            Self::Plan(_) => "plan",
            Self::Test(_) => "test",
            Self::Snapshot(_) => "snapshot",
            Self::Policy(_) => "policy",
        }
    }
}

const DEMO: &str = "\
Attaches two containers to a bridge network as a runtime would: plugins are executed under their
names, with CNI's variables and a configuration on stdin. Shows the results, the links, addresses
and routes that came of them, packets that pass, a plugin that is refused what it was not granted,
and that nothing is left at the end.

All of it happens in new user, mount and network namespaces. It needs no root, no other program
and no network, touches nothing outside, and is gone when the command ends, however it ends.";

const DEMO_MORE: &str = "\
Examples:
  wasmcni demo
  wasmcni demo && echo it works here

Exit status:
  0  every step did what it should
  1  a step failed: stderr names it; or this machine allows no namespaces, and what to do";

const DOCTOR: &str = "\
Lists what belongs to no attached container any more, or serves none: iptables chains of the
reference plugins (CNI-…), of both back ends and both families, and their nftables tables and
chains. For each: what it is, where, whose, and the commands that remove it. Changes nothing.

A container is attached if a reservation in /var/lib/cni/networks, a result in /var/lib/cni/results
or a journal of wasmcni's names it. What such a container has is listed as in use, and left alone.

The output is a script for sh: all but the commands is comment. Read it before you run it.";

const DOCTOR_MORE: &str = "\
Examples:
  sudo wasmcni doctor
  sudo wasmcni doctor > leftovers.sh   read it, then: sudo sh -e leftovers.sh
  sudo wasmcni doctor --json

Programs that it asks, as far as they are there:
  iptables-nft-save, iptables-legacy-save, iptables-save, the same of ip6tables, nft

Exit status:
  0  nothing to remove
  1  something to remove
  2  the command line makes no sense
  3  not everything could be looked at: stderr says why";

/// `wasmcni doctor`
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// As JSON: asked, found, inUse, failures
    #[arg(long)]
    pub(super) json: bool,
}

const INSTALL: &str = "\
Places this binary in the directory as wasmcni, and beside it one relative symlink per plugin, and
wasmcni-compile, which `wasmcni plugin add` needs, if it stands beside this binary.

Every name there is its old self or its new one at each moment, even if the command is killed, the
disk fills up, or a runtime executes a plugin meanwhile: the binary is written to a temporary file
and renamed, and so is each symlink. To upgrade, run `install` of the new binary.

Refuses, before it changes anything, to touch a plugin that is not wasmcni's.";

const INSTALL_MORE: &str = "\
Examples:
  sudo wasmcni install --dry-run
  sudo wasmcni install --replace       beside the reference plugins, in their place
  mv bridge.before-wasmcni bridge      in the directory: and back, for one plugin

Files:
  DIR/wasmcni, DIR/wasmcni-compile     this binary, and the compiler
  DIR/bridge, DIR/host-local, …        symlinks to wasmcni
  DIR/NAME.before-wasmcni              what stood at NAME, after --replace
  DIR/.wasmcni.new                     being written; a killed install leaves it, the next takes it

Exit status:
  0  done, or nothing to do
  1  failed: stderr says why; each name is its old self or its new one";

/// `wasmcni install`
#[derive(Debug, Args)]
pub(super) struct Install {
    /// The runtime's plugin directory; made if it is missing
    #[arg(long, value_name = "DIR", default_value = PLUGIN_DIRECTORY)]
    pub(super) dir: PathBuf,
    /// Take the place of plugins that are not wasmcni's; each is kept as NAME.before-wasmcni
    #[arg(long)]
    pub(super) replace: bool,
    /// Only say what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
}

const PLUGINS: &str = "\
Lists the plugins that are part of this binary: what each does, how much of the node a call of it
may use, and the acts that it was granted, by where they happen: in the container's network
namespace, in the node's (host), or in none (node). `wasmcni grants NAME` has the details.";

const PLUGINS_MORE: &str = "\
Exit status:
  0  done
  1  a grant file cannot be used: ADD of that plugin fails until it is mended";

const GRANTS: &str = "\
Prints the grant file that is in force for a plugin, checked as a call checks it, and says on
stderr where it comes from: yours, /etc/wasmcni/plugins/NAME.toml, or else the one that the plugin
was shipped with. Yours is used instead of the shipped one, not in addition to it.";

const GRANTS_MORE: &str = "\
Examples:
  wasmcni grants bridge
  wasmcni grants --shipped bridge | sudo tee /etc/wasmcni/plugins/bridge.toml
                                       a file of your own, to narrow
  wasmcni grants bridge >/dev/null     check it

Exit status:
  0  the file is good
  1  it is not: stderr says file:line, what is wrong, and what to write; or no such plugin";

/// `wasmcni grants`
#[derive(Debug, Args)]
pub(super) struct Grants {
    /// The plugin, as in the `type` of a network configuration
    #[arg(value_name = "NAME")]
    pub(super) plugin: String,
    /// The grants that the plugin was shipped with, whether or not there is a file of yours
    #[arg(long)]
    pub(super) shipped: bool,
}

const PLAN: &str = "\
Runs the plugins of a network configuration as a runtime would, on a simulated kernel: the real
components, grants, journal and reservations, and nothing of this machine touched. No root needed.

Prints what each plugin asks for, in order, with the rule that allows it or why it is refused; the
result; how the node then differs; and what a DEL afterwards would leave.

The node has nothing unless --kernel names a file, such as `wasmcni snapshot` writes. The grants are
those in force on this machine. Native programs are not run.";

const PLAN_MORE: &str = "\
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
pub(super) struct Plan {
    /// The network configuration: a list, or a single plugin's
    #[arg(long, value_name = "FILE")]
    pub(super) conf: PathBuf,
    /// What is asked; check and del: after an ADD, unless --prev-result is given
    #[arg(long, value_name = "VERB", default_value = "add")]
    pub(super) verb: PlannedVerb,
    /// The node that it happens on (docs/testing.md)
    #[arg(long, value_name = "FILE")]
    pub(super) kernel: Option<PathBuf>,
    /// Directory with NAME.toml for plugins, instead of the grants in force
    #[arg(long, value_name = "DIR")]
    pub(super) grants: Option<PathBuf>,
    /// Name of the container's netns on that node; made if it is not there
    #[arg(long, value_name = "NAME", default_value = "container")]
    pub(super) netns: String,
    /// CNI_CONTAINERID
    #[arg(long, value_name = "ID", default_value = "plan")]
    pub(super) container: String,
    /// CNI_IFNAME
    #[arg(long, value_name = "NAME", default_value = "eth0")]
    pub(super) ifname: String,
    /// CNI_ARGS
    #[arg(long, value_name = "K=V;…", default_value = "")]
    pub(super) args: String,
    /// Capability arguments, as a JSON object by capability
    #[arg(long, value_name = "JSON")]
    pub(super) cap: Option<String>,
    /// ADD's result, or the CNI library's file of it, for check and del
    #[arg(long, value_name = "FILE")]
    pub(super) prev_result: Option<PathBuf>,
    /// As JSON: verb, network, calls (steps: op, verdict, rule), result, error, difference, del
    #[arg(long)]
    pub(super) json: bool,
}

const POLICY: &str = "\
Checks what the node's operator wrote: grant files of plugins and wasmcni.toml. Changes nothing.";

const POLICY_MORE: &str = "\
Exit status:
  0  no errors; there may be warnings
  1  errors
  2  the command line makes no sense";

const POLICY_CHECK: &str = "\
Reads grant files as a call reads them, but to the end: every error, as FILE:LINE: what is written,
what is wrong with it, and what to write instead. Then what makes a good file useless: an owner or
mode for which calls refuse it, a component pin that does not go with the file's name, an import of
the plugin that no grant serves, so that it is refused before it starts.

Warnings are of what changes nothing and so is surely not meant: a grant that another one of the
file covers, one for an act that the plugin does not ask for, one that is never asked for.

Without FILE or DIR it reads /etc/wasmcni/wasmcni.toml and /etc/wasmcni/plugins/*.toml. The name
of a grant file says which plugin it is for: bridge.toml is for bridge.";

const POLICY_CHECK_MORE: &str = "\
Examples:
  wasmcni policy check
  wasmcni policy check drafts/         all of a directory, before it is installed
  wasmcni policy check --as bridge draft.toml
  wasmcni policy check --json          file, line, text, problem, instead of each error

Exit status:
  0  no errors; there may be warnings
  1  errors: each on a line of stdout; or a file cannot be read
  2  the command line makes no sense";

/// `wasmcni policy`
#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    pub(super) command: PolicyCommand,
}

/// What `wasmcni policy` does.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyCommand {
    #[command(
        about = "Say every error of grant files, with line and what to write, and what is doubtful",
        long_about = POLICY_CHECK,
        after_long_help = POLICY_CHECK_MORE
    )]
    Check(PolicyCheck),
}

/// `wasmcni policy check`
#[derive(Debug, Args)]
pub(super) struct PolicyCheck {
    /// Files, and directories whose *.toml are meant; without any, those of the node
    #[arg(value_name = "FILE|DIR")]
    pub(super) paths: Vec<PathBuf>,
    /// The plugin that a grant file is for, whatever the file's name
    #[arg(long = "as", value_name = "NAME", requires = "paths")]
    pub(super) plugin: Option<String>,
    /// As JSON: files (file, errors, warnings), errors, warnings
    #[arg(long)]
    pub(super) json: bool,
}

/// The verbs of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PlannedVerb {
    Add,
    Check,
    Del,
}

impl PlannedVerb {
    pub(super) fn verb(self) -> Verb {
        match self {
            Self::Add => Verb::Add,
            Self::Check => Verb::Check,
            Self::Del => Verb::Del,
        }
    }
}

const TEST: &str = "\
Runs test files (*.test.toml, in the directories named and below them). Each has a network
configuration, grants, a node to start from, and steps: a verb with what is to come of it. The real
components run on a simulated kernel; no root needed, nothing of this machine touched.

docs/testing.md has every key; docs/examples/policy-tests has examples.";

const TEST_MORE: &str = "\
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
pub(super) struct Test {
    /// Test files, and directories with such
    #[arg(value_name = "PATH", required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// How it is told
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: Format,
    /// Write golden files anew, instead of comparing with them
    #[arg(long)]
    pub(super) update: bool,
}

/// How the outcome of tests is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Tap,
    Junit,
}

const SNAPSHOT: &str = "\
Writes what the kernel of this node has, as JSON, to stdout: links, addresses, routes, rules,
sysctls that are not the usual ones, wasmcni's nftables entries, and who holds which addresses. With
--netns the same of containers' network namespaces. Changes nothing.

What the simulated kernel has no notion of is left out, and said in the file under `left_out`; so is
what this user may not read.";

const SNAPSHOT_MORE: &str = "\
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
pub(super) struct Snapshot {
    /// A container's network namespace too: its path, or its name in /run/netns
    #[arg(long, value_name = "PATH|NAME")]
    pub(super) netns: Vec<PathBuf>,
    /// Other addresses, MACs and container names in their places, the same for the same
    #[arg(long)]
    pub(super) mask: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_line_is_sound() {
        Line::command().debug_assert();
    }

    #[test]
    fn help_fits_a_terminal_and_teaches() {
        let mut all = Line::command();
        all.build();
        let mut texts = vec![all.render_long_help().to_string()];
        fn walk(command: &mut clap::Command, texts: &mut Vec<String>) {
            for command in command.get_subcommands_mut() {
                assert!(command.get_about().is_some());
                let text = command.render_long_help().to_string();
                let name = command.get_name();
                assert!(name == "help" || text.contains("Exit status:"), "{name}");
                texts.push(text);
                walk(command, texts);
            }
        }
        walk(&mut all, &mut texts);
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 100, "{line}");
        }
        let top = texts.first().unwrap();
        for part in [
            "demo",
            "doctor",
            "install",
            "plugins",
            "grants",
            "plan",
            "test",
            "snapshot",
            "policy",
            "trust boundary",
            "Files:",
        ] {
            assert!(top.contains(part), "{part}");
        }
    }

    #[test]
    fn commands_are_told_by_their_names() {
        for words in [
            &["wasmcni", "demo"] as &[&str],
            &["wasmcni", "doctor", "--json"],
            &["wasmcni", "install", "--dir", "x"],
            &["wasmcni", "plugins"],
            &["wasmcni", "grants", "bridge"],
            &["wasmcni", "plan", "--conf", "x", "--verb", "check"],
            &["wasmcni", "test", "x", "--format", "tap"],
            &["wasmcni", "snapshot", "--netns", "blue", "--netns", "red"],
            &["wasmcni", "policy", "check", "--as", "bridge", "x"],
        ] {
            let line = Line::try_parse_from(words).unwrap();
            assert_eq!(Some(&line.command.name()), words.get(1));
        }
    }
}
