use super::*;
use crate::policy::op::LINK_KINDS;

const LINK: Holds = Holds::Link;
const KEY: Holds = Holds::SysctlKey;
const PATH: Holds = Holds::Path;
const TEXT: Holds = Holds::Text;

/// A call of `eth0` on a network that says `bridge = "br*1"`, `type = "../x"`, `dir = "/var/x"`,
/// `empty = ""`, `all = "all"`, `path = "a/b"`; the attachment made `veth1` and `a.b`.
fn allows(pattern: &str, holds: Holds, value: &str) -> bool {
    let config = |path: &str| {
        let text = match path {
            "bridge" => "br*1",
            "ipam.type" => "../x",
            "ipam.dir" => "/var/x",
            "empty" => "",
            "all" => "all",
            "path" => "a/b",
            _ => return None,
        };
        Some(text.to_owned())
    };
    let own = |name: &str| matches!(name, "veth1" | "a.b" | "all" | "" | "..");
    let facts = Facts {
        ifname: "eth0",
        config: &config,
        own: &own,
        peer: &|| None,
        default_route: &|_| false,
        prev: &[],
        ipam: &[],
        network: "net",
        args: &|_| Vec::new(),
    };
    TextPattern::parse(pattern, holds, Some(true)).unwrap().matches(value, &facts)
}

#[test]
fn a_literal_is_itself() {
    assert!(allows("cni0", LINK, "cni0"));
    for value in ["cni", "cni00", "CNI0", "cni0 ", "cni0\0", ""] {
        assert!(!allows("cni0", LINK, value), "{value:?}");
    }
    assert!(allows("a@@b", LINK, "a@b"));
    assert!(!allows("a@@b", LINK, "a@@b"));
}

#[test]
fn a_star_is_any_run_but_no_slash() {
    assert!(allows("cni*", LINK, "cni0") && allows("cni*", LINK, "cni"));
    assert!(allows("*", LINK, "eth0") && allows("a*b*c", LINK, "aXbYbZc"));
    for (pattern, value) in [
        ("cni*", "docker0"),
        ("cni*", "xcni0"),
        ("cni*", "cni/0"),
        ("*", ""),
        ("*", "."),
        ("*", ".."),
        ("*", "a/b"),
        ("a*b*c", "acb"),
        ("ab*ba", "aba"),
        ("a*bb*bb", "abb"),
        ("*a", "ab"),
    ] {
        assert!(!allows(pattern, LINK, value), "{pattern} {value:?}");
    }
}

#[test]
fn many_stars_take_no_time() {
    let pattern = "*a".repeat(1000);
    assert!(!allows(&pattern, TEXT, &format!("{}b", "a".repeat(100_000))));
    let pattern = format!("net/{}x", "**/a/".repeat(500));
    assert!(!allows(&pattern, KEY, &format!("net{}", "/a".repeat(5000))));
}

#[test]
fn two_stars_are_whole_parts() {
    assert!(allows("net/**", KEY, "net/a") && allows("net/**", KEY, "net/a/b/c"));
    assert!(allows("net/**/x", KEY, "net/a/x/b/x") && allows("/**", PATH, "/etc/resolv.conf"));
    assert!(allows("net/**/a/**/b", KEY, "net/a/a/a/b/b"));
    for value in ["net", "net/", "nett/a", "net//a", "net/a/../b", "net/.", "/net/a", "net/a/"] {
        assert!(!allows("net/**", KEY, value), "{value:?}");
    }
    assert!(!allows("net/**/x", KEY, "net/x"));
    assert!(!allows("/etc/**", PATH, "/etc/../root/.ssh"));
    assert!(!allows("/etc/*", PATH, "/etc/a/b"));
    assert!(!allows("/etc/*", PATH, "/etc/.."));
}

#[test]
fn ifname_is_compared_as_it_is() {
    assert!(allows("@ifname", LINK, "eth0") && allows("@{ifname}", LINK, "eth0"));
    assert!(allows("net/ipv6/conf/@ifname/x", KEY, "net/ipv6/conf/eth0/x"));
    assert!(allows("@{ifname}.*", LINK, "eth0.5") && allows("x@{ifname}", LINK, "xeth0"));
    assert!(!allows("@ifname", LINK, "eth1"));
    assert!(!allows("@ifname", LINK, "@ifname"));
    assert!(!allows("net/ipv6/conf/@ifname/x", KEY, "net/ipv6/conf/eth0/y/x"));
    let pattern = TextPattern::parse("net/ipv4/conf/@ifname/x", KEY, Some(true)).unwrap();
    for (ifname, value) in [
        ("*", "net/ipv4/conf/eth0/x"),
        ("all", "net/ipv4/conf/all/x"),
        ("default", "net/ipv4/conf/default/x"),
        ("a/b", "net/ipv4/conf/a/b/x"),
        ("", "net/ipv4/conf//x"),
        ("..", "net/ipv4/conf/../x"),
        ("@own", "net/ipv4/conf/veth1/x"),
    ] {
        let facts = Facts {
            ifname,
            config: &|_| None,
            own: &|_| true,
            peer: &|| None,
            default_route: &|_| false,
            prev: &[],
            ipam: &[],
            network: "net",
            args: &|_| Vec::new(),
        };
        assert!(!pattern.matches(value, &facts), "{ifname:?}");
    }
}

#[test]
fn no_ifname_matches_nothing() {
    let facts = Facts {
        ifname: "",
        config: &|_| None,
        own: &|_| true,
        peer: &|| None,
        default_route: &|_| false,
        prev: &[],
        ipam: &[],
        network: "net",
        args: &|_| Vec::new(),
    };
    for pattern in ["@ifname", "@{ifname}*", "e@{ifname}*", "*@{ifname}"] {
        let pattern = TextPattern::parse(pattern, LINK, Some(true)).unwrap();
        assert!(!pattern.matches("", &facts) && !pattern.matches("eth0", &facts));
    }
}

#[test]
fn own_is_exactly_one_part() {
    assert!(allows("@own", LINK, "veth1"));
    assert!(allows("net/ipv6/conf/@own/accept_ra", KEY, "net/ipv6/conf/veth1/accept_ra"));
    assert!(allows("net/ipv6/conf/@own/accept_ra", KEY, "net/ipv6/conf/a.b/accept_ra"));
    for value in [
        "net/ipv6/conf/eth0/accept_ra",
        "net/ipv6/conf/all/accept_ra",
        "net/ipv6/conf//accept_ra",
        "net/ipv6/conf/../accept_ra",
        "net/ipv6/conf/veth1/x/accept_ra",
        "net/ipv6/conf/veth1/accept_ra/x",
        "net/ipv6/conf/veth1",
        "net/ipv6/conf/a/b/accept_ra",
        "xnet/ipv6/conf/veth1/accept_ra",
    ] {
        assert!(!allows("net/ipv6/conf/@own/accept_ra", KEY, value), "{value}");
    }
    assert!(!allows("@own", LINK, "") && !allows("@own", LINK, "..") && !allows("@own", LINK, "x"));
}

#[test]
fn the_configuration_is_compared_never_read() {
    assert!(allows("@config.bridge", LINK, "br*1"));
    assert!(!allows("@config.bridge", LINK, "br01"), "its star is a star");
    assert!(
        !allows("@{config.bridge}.*", LINK, "br01.5")
            && allows("@{config.bridge}.*", LINK, "br*1.5")
    );
    assert!(
        allows("@config.none=cni0", LINK, "cni0") && allows("@config.empty=cni0", LINK, "cni0")
    );
    assert!(allows("@{config.none=cni0}.*", LINK, "cni0.5"));
    assert!(!allows("@{config.none=cni0}.*", LINK, "cni05"));
    assert!(!allows("@config.bridge=cni0", LINK, "cni0"), "the default is for its absence");
    for value in ["", "@config.none", "none", "x"] {
        assert!(!allows("@config.none", LINK, value), "{value:?}");
        assert!(!allows("@config.empty", LINK, value), "{value:?}");
        assert!(!allows("x@{config.none}", LINK, value), "{value:?}");
        assert!(!allows("x@{config.empty}", LINK, value), "{value:?}");
    }
}

#[test]
fn the_configuration_gives_one_part_of_a_path() {
    assert!(allows("@config.ipam.dir=/var/lib/cni", PATH, "/var/x"));
    assert!(!allows("@config.ipam.dir=/var/lib/cni", PATH, "/var/lib/cni"));
    assert!(allows("@config.dir=/var/lib/cni", PATH, "/var/lib/cni"));
    assert!(allows("@{config.dir=/var/lib/cni}", PATH, "/var/lib/cni"));
    assert!(allows("net/conf/@config.none=x/y", KEY, "net/conf/x/y"));
    for (pattern, value) in [
        ("net/conf/@config.path/x", "net/conf/a/b/x"),
        ("net/conf/@config.ipam.type/x", "net/conf/../x/x"),
        ("net/conf/@config.all/x", "net/conf/all/x"),
        ("net/conf/@{config.all}/x", "net/conf/all/x"),
        ("net/conf/@config.all/**", "net/conf/all/x"),
    ] {
        assert!(!allows(pattern, KEY, value), "{pattern}");
    }
}

#[test]
fn what_a_pattern_cannot_mean_is_refused() {
    for (pattern, holds, problem) in [
        ("", LINK, "is empty"),
        ("a\nb", TEXT, "contains a control character"),
        ("**", LINK, "contains \"**\", which is for paths"),
        ("net/a**", KEY, "has \"**\" beside other text"),
        ("net/a/../b", KEY, "contains \".\" or \"..\""),
        ("net//a", KEY, "has an empty part"),
        ("net/a/", KEY, "has an empty part"),
        ("net.ipv4.ip_forward", KEY, "has dots between its parts"),
        ("kernel/x", KEY, "is no path below net/"),
        ("*", KEY, "is no path below net/"),
        ("etc/x", PATH, "is no absolute path"),
        ("*", PATH, "is no absolute path"),
        ("@config.dir=var", PATH, "is no absolute path"),
        ("a/b", LINK, "is no link's name: contains '/', which the kernel forbids"),
        ("a/*", LINK, "contains \"/\", which no name does"),
        ("1234567890123456", LINK, "is no link's name: longer than 15 bytes"),
        ("@config.a=1234567890123456", LINK, "is no link's name: longer than 15 bytes"),
        ("..", LINK, "is no link's name: reserved by the file system"),
        ("../x", Holds::Plugin, "is no plugin's name: contains '/', but must be a file name"),
        ("tunnel", Holds::Word(LINK_KINDS), "is not known here"),
        ("x*", Holds::Word(LINK_KINDS), "is not known here"),
        ("@own", Holds::Word(LINK_KINDS), "uses a variable that has no meaning for this key"),
        (
            "@config.kind",
            Holds::Word(LINK_KINDS),
            "uses a variable that has no meaning for this key",
        ),
        ("@own", TEXT, "uses a variable that has no meaning for this key"),
        ("/@ifname", PATH, "uses a variable that has no meaning for this key"),
        ("@ipam", LINK, "has an unknown variable \"@ipam\""),
        ("@ifname0", LINK, "has an unknown variable \"@ifname0\""),
        ("@ifname.5", LINK, "has an unknown variable \"@ifname.5\""),
        ("@", LINK, "has an unknown variable \"@\""),
        ("@{}", LINK, "has an unknown variable \"@\""),
        ("x@ifname", LINK, "has \"@\" within other text"),
        ("@{ifname", LINK, "has \"@\" within other text"),
        ("x@{own}", LINK, "has @own beside other text"),
        ("@{own}*", LINK, "has @own beside other text"),
        ("@config", LINK, "has an unknown variable \"@config\""),
        ("@config.", LINK, "has an odd key \"\" after @config"),
        ("@config.a..b", LINK, "has an odd key \"a..b\" after @config"),
        ("@config.a*", LINK, "has an odd key \"a*\" after @config"),
        ("@config.bridge.*", LINK, "has an odd key \"bridge.*\" after @config"),
        ("@config.a=", LINK, "has an empty default"),
        ("@config.a=b*", LINK, "has a default that is no plain text"),
        ("@config.a=@ifname", LINK, "has a default that is no plain text"),
        ("net/@{config.a=b/c}/x", KEY, "has \"@\" within other text"),
    ] {
        let error = TextPattern::parse(pattern, holds, Some(true)).unwrap_err();
        assert_eq!(error.problem, problem, "{pattern:?}");
        assert!(!error.instead.is_empty());
    }
}

#[test]
fn ifname_is_for_the_container_alone() {
    assert!(TextPattern::parse("@ifname", LINK, Some(true)).is_ok());
    for pattern in ["@ifname", "@{ifname}.1"] {
        assert!(TextPattern::parse(pattern, LINK, Some(false)).is_err());
    }
    assert!(TextPattern::parse("@own", LINK, Some(false)).is_ok());
}

#[test]
fn networks_are_names() {
    assert!(TextPattern::network("db-*").unwrap().means("db-1"));
    assert!(!TextPattern::network("db-*").unwrap().means("web"));
    for pattern in ["", "a b", "a/b", "@ifname", "@config.name", "**"] {
        assert!(TextPattern::network(pattern).is_err(), "{pattern:?}");
    }
}

#[test]
fn a_refusal_tells_what_variables_stand_for() {
    let facts = Facts {
        ifname: "eth0",
        config: &|path| (path == "bridge").then(|| "br1".to_owned()),
        own: &|_| false,
        peer: &|| None,
        default_route: &|_| false,
        prev: &[],
        ipam: &[],
        network: "net",
        args: &|_| Vec::new(),
    };
    for (pattern, text) in [
        ("cni*", None),
        ("@ifname", Some("\"eth0\"")),
        ("@config.bridge=cni0", Some("\"br1\"")),
        ("@{config.bridge}.*", Some("\"br1.*\"")),
        ("@config.none", Some("the configuration has no text \"none\"")),
        ("@own", Some("@own is a link that this attachment made")),
    ] {
        let pattern = TextPattern::parse(pattern, LINK, Some(true)).unwrap();
        assert_eq!(pattern.resolved(&facts).as_deref(), text);
    }
}
