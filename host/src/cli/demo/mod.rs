//! `wasmcni demo`: what wasmcni is for, done and shown in a node that is thrown away.

mod icmp;
mod namespaces;
mod network;
mod node;
mod ping;
mod runtime;
mod seen;
mod stage;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use super::failure::{Doing, Failure};
use crate::cni::{CniResult, Code, NetworkList, Verb};
use crate::component;
use node::{Container, Node};
use stage::Stage;

const PROLOGUE: &str = "\
Two containers on a bridge, by CNI plugins that are WebAssembly components: each can do what it was
granted, and nothing else. All of this happens in namespaces that are thrown away at the end.";

const EPILOGUE: &str = "
Every step did what it should. The namespaces end with this process, and all that was in them.
To have it on a node: `wasmcni install --help`.";

/// A container on the network, and what ADD answered.
struct Attached {
    container: Container,
    result: CniResult,
}

/// `wasmcni demo`
pub(super) fn run(out: &mut dyn Write) -> Result<(), Failure> {
    let mut stage = Stage::new(out);
    stage.plain(PROLOGUE)?;
    play(&mut stage).map_err(|failure| failure.during(stage.at()))?;
    stage.plain(EPILOGUE)
}

fn play(stage: &mut Stage<'_>) -> Result<(), Failure> {
    stage.step(
        "A node and two containers",
        "New user, mount and network namespaces, a network namespace for each container, and this\n\
         program under the names of two plugins, as `wasmcni install` places it.",
    )?;
    let mut node = Node::make(&["bridge", "host-local"])?;
    let (blue, green) = (node.add_container("blue")?, node.add_container("green")?);
    stage.show(format_args!("CNI_PATH={}", node.plugins.display()))?;
    for container in &node.containers {
        stage.show(format_args!("container {}: {}", container.id, container.netns.display()))?;
    }

    stage.step("A network", "What an operator writes into /etc/cni/net.d/mynet.conflist:")?;
    let list = network::list(network::NETWORK)?;
    stage.show(network::NETWORK)?;

    stage.step(
        "ADD: attach both",
        "A runtime executes `bridge` for each container, and gives it the network's configuration on\n\
         stdin. `bridge` has `host-local` choose the address. The answers are CNI results.",
    )?;
    let blue = attach(stage, &node, &list, blue)?;
    let green = attach(stage, &node, &list, green)?;

    stage.step(
        "What came of it",
        "As the kernel has it, in the words of `ip address` and `ip route`:",
    )?;
    show_networks(stage, &node)?;

    stage.step(
        "Packets",
        "ICMP echo requests from within one container to the other, and to the gateway, which is the\n\
         bridge.",
    )?;
    let (peer, gateway) = (address(&green)?, gateway(&blue)?);
    ping(stage, &blue.container, peer)?;
    ping(stage, &blue.container, gateway)?;

    stage.step(
        "A plugin that overreaches",
        "The operator narrows what `bridge` may do, by a grant file; all else in it is as shipped.\n\
         Then a configuration asks it to make a bridge of another name. No rule allows that.",
    )?;
    let rules = narrow(stage, &node)?;
    refuse(stage, &mut node, &rules, &network::AT_ONCE)?;

    stage.step(
        "One that is refused halfway",
        "Here the bridge, the veth pair, the address and the routes are made before the refusal. ADD\n\
         is a transaction: what was done is taken back before the runtime hears of it.",
    )?;
    refuse(stage, &mut node, &rules, &network::HALFWAY)?;
    let had = node.last_reserved("another")?;
    stage.line(format_args!(
        "That it was under way can be seen: host-local last handed out {had}."
    ))?;

    stage.step("CHECK", "The runtime asks whether both attachments are still what ADD made.")?;
    for attached in [&blue, &green] {
        expect_success(stage, &node, &list, Verb::Check, attached)?;
    }

    stage.step("DEL: detach both", "In the opposite order, as runtimes do.")?;
    for attached in [&green, &blue] {
        expect_success(stage, &node, &list, Verb::Del, attached)?;
    }

    stage.step(
        "Nothing is left",
        "Of the attachments, that is. The bridge stays for the next container, as the CNI project's own\n\
         plugin has it, with its address and IP forwarding: it belongs to the network.",
    )?;
    let traces = node.traces()?;
    stage.show(&traces)?;
    if traces.are_none() {
        return Ok(());
    }
    Err(Failure::new("looking for what is left", "there is something left, see above"))
}

fn attach(
    stage: &mut Stage<'_>,
    node: &Node,
    list: &NetworkList,
    container: Container,
) -> Result<Attached, Failure> {
    let answer = runtime::call(stage, node, list, Verb::Add, &container, None)?;
    let result = answer.doing(|| format!("attaching container {:?}", container.id))?;
    Ok(Attached { container, result })
}

fn expect_success(
    stage: &mut Stage<'_>,
    node: &Node,
    list: &NetworkList,
    verb: Verb,
    attached: &Attached,
) -> Result<(), Failure> {
    let Attached { container, result } = attached;
    let answer = runtime::call(stage, node, list, verb, container, Some(result))?;
    answer.map(|_| ()).doing(|| format!("{verb} of container {:?}", container.id))
}

fn show_networks(stage: &mut Stage<'_>, node: &Node) -> Result<(), Failure> {
    stage.line("the node")?;
    stage.show(node.lines()?.join("\n"))?;
    for container in &node.containers {
        stage.line(format_args!("container {}", container.id))?;
        stage.show(container.lines()?.join("\n"))?;
    }
    stage.line("and beside them")?;
    let traces = node.traces()?.to_string();
    let beside = traces.lines().filter(|line| !line.starts_with("links"));
    stage.show(beside.collect::<Vec<_>>().join("\n"))
}

fn ping(stage: &mut Stage<'_>, from: &Container, to: Ipv4Addr) -> Result<(), Failure> {
    let doing = || format!("pinging {to} from container {:?}", from.id);
    stage.line(format_args!("{} $ ping -c {} {to}", from.id, ping::COUNT))?;
    let echoes = ping::ping(&from.netns, to).doing(doing)?;
    for echo in &echoes {
        stage.show(echo)?;
    }
    // One reply shows that packets pass; a busy machine may lose another one.
    if echoes.iter().any(ping::Echo::answered) {
        return Ok(());
    }
    Err(Failure::new(doing(), "no reply"))
}

fn address(attached: &Attached) -> Result<Ipv4Addr, Failure> {
    let addresses = attached.result.ips.iter().map(|ip| Some(ip.address.addr()));
    ipv4(addresses, "an IPv4 address")
}

fn gateway(attached: &Attached) -> Result<Ipv4Addr, Failure> {
    ipv4(attached.result.ips.iter().map(|ip| ip.gateway), "an IPv4 gateway")
}

fn ipv4(found: impl Iterator<Item = Option<IpAddr>>, what: &str) -> Result<Ipv4Addr, Failure> {
    let mut found = found.filter_map(|address| match address {
        Some(IpAddr::V4(address)) => Some(address),
        Some(IpAddr::V6(_)) | None => None,
    });
    found.next().ok_or_else(|| Failure::new(format!("looking for {what} in the result"), "none"))
}

/// Writes the operator's grant file for `bridge`; returns where its rules are.
fn narrow(stage: &mut Stage<'_>, node: &Node) -> Result<Vec<String>, Failure> {
    let bridge = component::find("bridge")
        .ok_or_else(|| Failure::new("looking for plugin \"bridge\"", "this binary has none"))?;
    let narrowed = network::narrowed(bridge)?;
    let file = node.write_grants(bridge.name, &narrowed.text)?;
    let mut places = Vec::new();
    for rule in &narrowed.rules {
        let place = format!("{}:{}", file.display(), rule.line);
        stage.line(&place)?;
        stage.show(&rule.text)?;
        places.push(place);
    }
    Ok(places)
}

/// Has an ADD refused by one of the operator's rules, and sees that nothing came of it.
fn refuse(
    stage: &mut Stage<'_>,
    node: &mut Node,
    rules: &[String],
    asked: &network::Overreaching,
) -> Result<(), Failure> {
    stage.line("The network:")?;
    stage.show(asked.list)?;
    let container = node.add_container(asked.container)?;
    let list = network::list(asked.list)?;
    let before = node.traces()?;
    let doing = || format!("having {:?} refused", asked.wanted);
    match runtime::call(stage, node, &list, Verb::Add, &container, None)? {
        Ok(_) => return Err(Failure::new(doing(), "it was allowed")),
        Err(error) if !error.is(Code::Denied) => return Err(Failure::new(doing(), error)),
        Err(error) => {
            let told = error.details.contains(asked.wanted)
                && rules.iter().any(|rule| error.details.contains(rule));
            if !told {
                let cause = format!("the error does not name it and one of {rules:?}: {error}");
                return Err(Failure::new(doing(), cause));
            }
        }
    }
    let after = node.traces()?;
    stage.line("Before that call and after it:")?;
    stage.show(&after)?;
    if after == before {
        return Ok(());
    }
    Err(Failure::new(doing(), format!("it left something; before it there was\n{before}")))
}
