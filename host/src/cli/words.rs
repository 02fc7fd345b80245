//! What can be typed, and what help says of it.

mod audit;
mod author;
mod given;
mod learn;
mod plugin;
mod policy;
mod replay;
mod trial;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(super) use audit::Explain;
pub(super) use author::{Language, New, Pack, Wit};
pub(super) use given::GivenPlugin;
pub(super) use learn::Learn;
pub(super) use plugin::{Add, Inspect, List, Plugin, PluginCommand, Remove, Upgrade};
pub(super) use policy::{Policy, PolicyCheck, PolicyCommand};
pub(super) use replay::Replay;
pub(super) use trial::{Format, Plan, Snapshot, Test};

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
  wasmcni learn --as acme tests/       the least grants that it needs for its tests
  wasmcni replay call.wasmcni.json     serve a recorded call again, and show what differs
  wasmcni policy check                 whether your grant files are good: every error, and doubts
  sudo wasmcni doctor                  what the reference plugins left, after a switch

Exit status:
  0  done
  1  failed: stderr says what, with what value, and what to do; doctor: found something
  2  the command line makes no sense
  Under a plugin's name: 0 with a CNI result, 1 with a CNI error, on stdout.

Files:
  /opt/cni/bin/wasmcni                 this binary; beside it a symlink for each plugin
  /etc/wasmcni/wasmcni.toml            where an audit is written and calls are recorded; which
                                       native plugins may be executed as delegates
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
        long_about = trial::PLAN,
        after_long_help = trial::PLAN_MORE
    )]
    Plan(Plan),
    #[command(
        about = "Run test files: a configuration, grants and a node, and what is to come of a call",
        long_about = trial::TEST,
        after_long_help = trial::TEST_MORE
    )]
    Test(Test),
    #[command(
        about = "Write the least grants that a plugin needs for its tests, or for what an audit says",
        long_about = learn::LEARN,
        after_long_help = learn::LEARN_MORE
    )]
    Learn(Learn),
    #[command(
        about = "Serve recorded calls again, on a simulated node, and show what differs",
        long_about = replay::REPLAY,
        after_long_help = replay::REPLAY_MORE
    )]
    Replay(Replay),
    #[command(
        about = "Write what this node's kernel has to a file that plans and tests start from",
        long_about = trial::SNAPSHOT,
        after_long_help = trial::SNAPSHOT_MORE
    )]
    Snapshot(Snapshot),
    #[command(
        about = "Check grant files and the node's configuration: every error, by file and line",
        long_about = policy::POLICY,
        after_long_help = policy::POLICY_MORE
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
            Self::Learn(_) => "learn",
            Self::New(_) => "new",
            Self::Wit(_) => "wit",
            Self::Pack(_) => "pack",
            Self::Plugin(_) => "plugin",
            Self::Plugins => "plugins",
            Self::Grants(_) => "grants",
            Self::Plan(_) => "plan",
            Self::Test(_) => "test",
            Self::Replay(_) => "replay",
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
            "learn",
            "replay",
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
            &["wasmcni", "new", "--lang", "c", "x"],
            &["wasmcni", "wit", "--grants", "x"],
            &["wasmcni", "pack", "x", "--grants", "x", "--output", "x"],
            &["wasmcni", "grants", "bridge"],
            &["wasmcni", "plan", "--conf", "x", "--verb", "check"],
            &["wasmcni", "test", "x", "--format", "tap"],
            &["wasmcni", "learn", "--as", "bridge", "x"],
            &["wasmcni", "replay", "x", "--grants", "y"],
            &["wasmcni", "snapshot", "--netns", "blue", "--netns", "red"],
            &["wasmcni", "policy", "check", "--as", "bridge", "x"],
        ] {
            let line = Line::try_parse_from(words).unwrap();
            assert_eq!(Some(&line.command.name()), words.get(1));
        }
    }
}
