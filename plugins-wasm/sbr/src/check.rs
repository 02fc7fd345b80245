//! CHECK: the rules are there, and so are the default routes that they lead to.

use std::net::IpAddr;

use wasmcni_sdk::ipnet::IpNet;
use wasmcni_sdk::net::{self, Role, RouteInfo, RuleInfo, rule};
use wasmcni_sdk::{CniResult, Error, IpConfig, Route, iface};

use crate::conf::Conf;
use crate::plan;

pub(crate) fn check(conf: &Conf, ifname: &str, result: &CniResult) -> Result<(), Error> {
    let ips = plan::addresses(result, ifname)?;
    let container = net::enter(Role::Container)?;
    let rules = rule::rules(&container)?;
    let mut tables = Vec::new();
    for ip in &ips {
        tables.push((*ip, table_for(conf, ip, &rules)?));
    }
    if conf.table.is_some() {
        return Ok(());
    }
    let Some(link) = container.find_link(ifname)? else {
        return Err(Error::changed(format!("finding link {ifname:?}: there is none")));
    };
    let (routes, index) = (container.routes()?, link.info()?.index);
    tables.iter().try_for_each(|(ip, table)| match plan::gateway(ip, &conf.gateways) {
        Some(_) => check_default(&routes, ip.address.addr().is_ipv6(), *table, index),
        None => Ok(()),
    })
}

/// The table that the rule for an address leads to.
fn table_for(conf: &Conf, ip: &IpConfig, rules: &[RuleInfo]) -> Result<u32, Error> {
    let source = net::host_prefix(ip.address.addr());
    let fits = |rule: &&RuleInfo| {
        let to_ours = conf.table.map_or(rule.table >= plan::FIRST_TABLE, |t| rule.table == t);
        to_ours && rule.only_source && IpNet::try_from(rule.source).is_ok_and(|s| s == source)
    };
    let to = conf.table.map(|table| format!(" to table {table}")).unwrap_or_default();
    rules
        .iter()
        .find(fits)
        .map(|rule| rule.table)
        .ok_or_else(|| Error::changed(format!("finding the rule from {source}{to}: there is none")))
}

/// Its gateway may be another: the plugins before may have said so.
fn check_default(routes: &[RouteInfo], ipv6: bool, table: u32, link: u32) -> Result<(), Error> {
    let destination = plan::anywhere(ipv6);
    let wanted = Route { table: Some(table), ..Route::new(destination, None::<IpAddr>) };
    if iface::has_route(routes, &wanted, Some(link)) {
        return Ok(());
    }
    Err(Error::changed(format!("finding route to {destination} in table {table}: there is none")))
}
