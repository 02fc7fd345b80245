//! ADD and DEL: what the plan says, done.

use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{self, Link, Netns, Role, RuleSpec, rule};
use wasmcni_sdk::{CniResult, Error, IpConfig, Steps, code};

use crate::conf::Conf;
use crate::plan;

/// How long detection of duplicate addresses may take, in milliseconds.
const DETECTION_MS: u32 = 5000;

pub(crate) fn add(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    let ips = plan::addresses(result, ifname)?;
    let container = net::enter(Role::Container)?;
    // Of two attachments that are made at once, each is to see the other's table.
    container.lock()?;
    match conf.table {
        Some(table) => ips.iter().try_for_each(|ip| add_rule(&container, ip, table)),
        None => route(conf, &container, &net::link(&container, ifname)?, &ips),
    }
}

/// The routes come before the rules that lead to them, and leave the main table after that.
fn route(conf: &Conf, container: &Netns, link: &Link, ips: &[&IpConfig]) -> Result<(), Error> {
    let routes = container.routes()?;
    let tables = plan::free_tables(&rule::rules(container)?, &routes, ips.len());
    if tables.len() < ips.len() {
        return Err(Error::new(code::NOT_AVAILABLE, "choosing a route table: none is free"));
    }
    let moving = plan::moving(&routes, link.info()?.index);
    for (ip, table) in ips.iter().zip(&tables) {
        for route in plan::table_of(ip, ips, &moving, &conf.gateways, *table)? {
            container.add_route(route, link)?;
        }
    }
    for (ip, table) in ips.iter().zip(&tables) {
        add_rule(container, ip, *table)?;
    }
    let (deleted, hints) = plan::leaving(&moving, ips, conf.add_source_hints);
    for route in deleted {
        container.delete_route(route, link)?;
    }
    if !hints.is_empty() {
        // An address is no source before its detection is over.
        link.wait_addrs(DETECTION_MS)?;
    }
    for route in hints {
        container.add_route(route, link)?;
    }
    Ok(())
}

fn add_rule(container: &Netns, ip: &IpConfig, table: u32) -> Result<(), Error> {
    Ok(rule::add(container, plan::rule(ip, table))?)
}

/// Removes the rules of the interface's addresses, which outlive the interface. Its routes go with it; where
/// it stays, the host has written down which there were.
pub(crate) fn del(
    table: Option<u32>,
    ifname: &str,
    result: Option<&CniResult>,
) -> Result<(), Error> {
    let Some(container) = net::enter_if_there(Role::Container)? else { return Ok(()) };
    container.lock()?;
    let mut addresses: Vec<IpNet> = Vec::new();
    if let Some(link) = container.find_link(ifname)? {
        for seen in net::unless_missing(link.addrs())?.unwrap_or_default() {
            addresses.push(IpNet::try_from(seen.address)?);
        }
    }
    if let Some(result) = result {
        let ips = plan::addresses(result, ifname).unwrap_or_default();
        addresses.extend(ips.iter().map(|ip| ip.address));
    }
    let mut steps = Steps::default();
    for seen in rule::rules(&container)? {
        let source = IpNet::try_from(seen.source)?;
        let of_ours = addresses.iter().any(|ip| net::host_prefix(ip.addr()) == source);
        let to_ours = table == Some(seen.table) || seen.table >= plan::FIRST_TABLE;
        if of_ours && to_ours && seen.only_source {
            let rule = RuleSpec { source: seen.source, table: seen.table };
            steps.took(net::unless_missing(rule::delete(&container, rule)));
        }
    }
    steps.finish()
}
