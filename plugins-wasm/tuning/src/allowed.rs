//! The node's list of sysctls that networks may set.

use regex_lite::Regex;
use wasmcni_sdk::{Error, code};

use crate::sysctls::Sysctl;

/// Where the list stands, for messages.
const LIST: &str = "/etc/cni/tuning/allowlist.conf";

/// Each of `sysctls`, as it is written in the configuration, must match a line somewhere; an expression
/// says itself where it begins and ends. Without a list all may be set.
///
/// # Errors
/// Code 7 naming the first that matches none. Code 999: a line is no regular expression.
pub(crate) fn check(list: Option<&[String]>, sysctls: &[Sysctl]) -> Result<(), Error> {
    let Some(list) = list.filter(|_| !sysctls.is_empty()) else { return Ok(()) };
    let expressions = list.iter().map(|line| {
        Regex::new(line).map_err(|e| {
            Error::new(
                code::INTERNAL,
                format!("reading {LIST}: {line:?} is no regular expression: {e}"),
            )
        })
    });
    let expressions = expressions.collect::<Result<Vec<_>, _>>()?;
    let refused = |sysctl: &&Sysctl| !expressions.iter().any(|e| e.is_match(&sysctl.written));
    match sysctls.iter().find(refused) {
        None => Ok(()),
        Some(sysctl) => {
            let why = format!("no line of {LIST} allows it");
            Err(Error::config("sysctl", format_args!("{:?}", sysctl.written), &why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(lines: &[&str], key: &str) -> Result<(), Error> {
        let sysctl = Sysctl { written: key.to_owned(), key: String::new(), value: String::new() };
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        check(Some(&lines), &[sysctl])
    }

    #[test]
    fn lines_are_regular_expressions_without_anchors() {
        for line in [
            "^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$",
            "^net.ipv4.conf.IFNAME.[a-z_]*$",
            "ipv4",
            "(?i)NET\\.IPV4",
            "conf\\.[[:upper:]]+\\.arp_(filter|ignore)",
            "",
        ] {
            assert!(allows(&["^x$", line], "net.ipv4.conf.IFNAME.arp_filter").is_ok(), "{line}");
        }
        for lines in [&[][..], &["^ipv4"], &["^net\\.ipv6", "arp_filter.$"]] {
            let error = allows(lines, "net.ipv4.conf.IFNAME.arp_filter").unwrap_err();
            assert_eq!(error.code, 7);
            assert!(error.details.contains("net.ipv4.conf.IFNAME.arp_filter"), "{error}");
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_allows_nothing() {
        let error = allows(&["net", "[a-"], "net.a").unwrap_err();
        assert!(error.details.contains("[a-") && error.details.contains(LIST), "{error}");
    }

    #[test]
    fn without_a_list_or_sysctls_there_is_nothing_to_refuse() {
        let sysctl = Sysctl { written: "net.a".into(), key: String::new(), value: String::new() };
        assert!(check(None, &[sysctl]).is_ok());
        assert!(check(Some(&["[a-".to_owned()]), &[]).is_ok());
    }
}
