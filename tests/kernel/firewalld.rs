//! firewalld's zones: the model does what firewalld does; and no bus, however bad, keeps a call waiting.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use wasmcni::kernel::linux::{BusAddress, LinuxKernel};
use wasmcni::kernel::sim::{Sim, SimNode};
use wasmcni::kernel::{Errno, Kernel, ZoneSource};

use crate::harness::firewalld::{
    Firewalld, SOCKET, SystemBus, firewall_cmd, require_firewalld, sources,
};
use crate::harness::sandbox;

/// Enough for a firewalld on a machine that has much to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// Of what is never to be answered.
const SHORT: Duration = Duration::from_millis(300);

const V4: &str = "10.1.2.3";
const V6: &str = "2001:db8::3";

fn source(zone: &str, address: &str) -> ZoneSource {
    ZoneSource { zone: zone.to_owned(), address: address.parse().unwrap() }
}

fn on_bus(path: &Path) -> LinuxKernel {
    LinuxKernel::new(None).unwrap().on_bus(BusAddress::Socket(path.to_owned()))
}

/// Acts and their answers, one line each; `other` is what somebody else does meanwhile.
fn played(kernel: &mut dyn Kernel, other: &dyn Fn(&str, &str)) -> Vec<String> {
    let mut lines = Vec::new();
    let mut told = |what: String, errno: Option<Errno>| lines.push(format!("{what}: {errno:?}"));
    for (verb, zone, address) in [
        ("add", "trusted", V4),
        ("add", "trusted", V4),
        ("add", "work", V4),
        ("add", "nosuch", V6),
        ("add", "work", V6),
        ("remove", "trusted", V6),
        ("remove", "nosuch", V6),
        ("remove", "trusted", "10.1.2.4"),
        ("other", "public", "10.1.2.4"),
        ("add", "trusted", "10.1.2.4"),
        ("remove", "trusted", V4),
        ("remove", "trusted", V4),
        ("add", "work", V4),
    ] {
        let entry = source(zone, address);
        let done = match verb {
            "add" => kernel.zone_source_add(&entry, PATIENCE),
            "remove" => kernel.zone_source_delete(&entry, PATIENCE),
            _ => {
                other(zone, address);
                Ok(())
            }
        };
        told(format!("{verb} {zone} {address}"), done.err().map(|e| e.errno));
        for address in [V4, V6, "10.1.2.4", "10.1.2.5"] {
            let seen = kernel.zone_of_source(address.parse().unwrap(), PATIENCE).unwrap();
            told(format!("  {address} in {seen:?}"), None);
        }
    }
    lines
}

#[test]
fn the_model_does_what_firewalld_does() {
    sandbox::run(|| {
        if !require_firewalld() {
            return;
        }
        let _bus = SystemBus::start();
        let firewalld = Firewalld::start();
        let mut linux = on_bus(Path::new(SOCKET));
        assert!(linux.firewalld_runs(PATIENCE).unwrap());
        let by_operator = |zone: &str, address: &str| {
            firewall_cmd(&[&format!("--zone={zone}"), &format!("--add-source={address}/32")]);
        };
        let on_linux = played(&mut linux, &by_operator);
        assert_eq!(sources("work"), [format!("{V4}/32"), format!("{V6}/128")]);
        assert_eq!(sources("trusted"), [""; 0]);
        let sim = SimNode::new();
        sim.start_firewalld();
        let by_other = |zone: &str, address: &str| {
            sim.kernel(None).zone_source_add(&source(zone, address), PATIENCE).unwrap();
        };
        let on_sim = played(&mut sim.kernel(None), &by_other);
        assert_eq!(on_sim, on_linux, "model, firewalld");
        // What it says goes on to the operator.
        let error = linux.zone_source_add(&source("nosuch", "10.9.9.9"), PATIENCE).unwrap_err();
        assert!(error.to_string().contains("INVALID_ZONE: nosuch"), "{error}");
        // It stops while there is a connection: nothing is to be removed, nothing can be added.
        firewalld.stop();
        sim.stop_firewalld();
        stopped(&mut linux);
        stopped(&mut sim.kernel(None));
        assert!(!on_bus(Path::new(SOCKET)).firewalld_runs(PATIENCE).unwrap());
    });
}

/// Nothing runs there.
fn stopped(kernel: &mut dyn Kernel) {
    let entry = source("work", V4);
    kernel.zone_source_delete(&entry, PATIENCE).unwrap();
    assert_eq!(kernel.zone_source_add(&entry, PATIENCE).unwrap_err().errno, Errno::EOPNOTSUPP);
    let asked = kernel.zone_of_source(entry.address, PATIENCE);
    assert_eq!(asked.unwrap_err().errno, Errno::EOPNOTSUPP);
    assert!(!kernel.firewalld_runs(PATIENCE).unwrap());
}

#[test]
fn without_a_bus_firewalld_does_not_run() {
    stopped(&mut Sim::without_container());
    stopped(&mut LinuxKernel::new(None).unwrap());
    let dir = directory("absent");
    stopped(&mut on_bus(&dir.join("bus")));
    // A socket that nobody listens at any more.
    drop(UnixListener::bind(dir.join("bus")).unwrap());
    stopped(&mut on_bus(&dir.join("bus")));
}

#[test]
fn a_firewalld_that_hangs_is_not_waited_for() {
    sandbox::run(|| {
        if !require_firewalld() {
            return;
        }
        let _bus = SystemBus::start();
        let firewalld = Firewalld::start();
        let mut kernel = on_bus(Path::new(SOCKET));
        kernel.zone_source_add(&source("work", V4), PATIENCE).unwrap();
        firewalld.pause();
        let begin = Instant::now();
        let late = kernel.zone_source_delete(&source("work", V4), SHORT).unwrap_err();
        assert_eq!(late.errno, Errno::ETIMEDOUT, "{late}");
        assert!(begin.elapsed() < PATIENCE / 2);
        firewalld.go_on();
        // The late answer to that call is not taken for one to this, which is not waited for as long.
        let zone = kernel.zone_of_source(V6.parse::<IpAddr>().unwrap(), PATIENCE);
        assert!(matches!(zone.map_err(|e| e.errno), Ok(None) | Err(Errno::ETIMEDOUT)));
        on_bus(Path::new(SOCKET)).zone_source_delete(&source("work", V4), PATIENCE).unwrap();
        assert_eq!(sources("work"), [""; 0]);
    });
}

/// A directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let dir = dir.join(format!("bus-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// Reads until a line or message of the client's ends; what it says is not looked at.
fn hear(stream: &mut UnixStream) {
    let _ = stream.read(&mut [0; 4096]);
}

fn welcome(stream: &mut UnixStream) {
    hear(stream);
    let _ = stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n");
    hear(stream);
}

/// A message of this kind and length in all, that answers call `serial` with a text.
fn message(kind: u8, serial: u32, sender: &str, text: &str) -> Vec<u8> {
    let mut fields = vec![5, 1, b'u', 0];
    fields.extend(serial.to_le_bytes());
    fields.extend([8, 1, b'g', 0, 1, b's', 0, 0]);
    fields.extend([7, 1, b's', 0]);
    fields.extend(u32::try_from(sender.len()).unwrap().to_le_bytes());
    fields.extend(sender.as_bytes());
    fields.push(0);
    let mut body = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
    body.extend(text.as_bytes());
    body.push(0);
    let mut message = vec![b'l', kind, 0, 1];
    message.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    message.extend(7_u32.to_le_bytes());
    message.extend(u32::try_from(fields.len()).unwrap().to_le_bytes());
    message.extend(fields);
    message.resize(message.len().next_multiple_of(8), 0);
    message.extend(body);
    message
}

const DRIVER: &str = "org.freedesktop.DBus";

/// What a bus does to one that connects.
type Misdeed = fn(&mut UnixStream);

/// Buses that mean harm, and what a client makes of them. Where it hangs up by itself, the server sees it.
const BAD: &[(&str, Errno, Misdeed)] = &[
    ("closes at once", Errno::EIO, |_| {}),
    ("says nothing", Errno::ETIMEDOUT, |stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("knows no protocol", Errno::EPROTO, |stream| {
        hear(stream);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("has a line without an end", Errno::EPROTO, |stream| {
        hear(stream);
        while stream.write_all(b"OK 0123456789").is_ok() {}
    }),
    ("drips", Errno::ETIMEDOUT, |stream| {
        welcome(stream);
        for octet in message(2, 1, DRIVER, "late") {
            if stream.write_all(&[octet]).is_err() {
                return;
            }
            thread::sleep(SHORT / 10);
        }
    }),
    ("closes in the middle", Errno::EIO, |stream| {
        welcome(stream);
        let _ = stream.write_all(&message(2, 1, DRIVER, "never")[..30]);
    }),
    ("sends noise", Errno::EPROTO, |stream| {
        welcome(stream);
        let _ = stream.write_all(&[0xa5; 4096]);
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("has messages without a bound", Errno::EPROTO, |stream| {
        welcome(stream);
        let mut endless = message(2, 1, DRIVER, "x");
        endless[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        let _ = stream.write_all(&endless);
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("has fields that lead out of the message", Errno::EPROTO, |stream| {
        welcome(stream);
        let mut message = message(2, 1, DRIVER, "x");
        message[36..40].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
        let _ = stream.write_all(&message);
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("has a body that leads out of the message", Errno::EPROTO, |stream| {
        welcome(stream);
        let mut message = message(2, 1, DRIVER, "x");
        let body = message.len() - 6;
        message[body..body + 4].copy_from_slice(&0x00ff_ffff_u32.to_le_bytes());
        let _ = stream.write_all(&message);
        let _ = stream.read_to_end(&mut Vec::new());
    }),
    ("answers others", Errno::EPROTO, |stream| {
        welcome(stream);
        while stream.write_all(&message(2, 99, DRIVER, "x")).is_ok() {}
    }),
    ("lets another answer", Errno::EPROTO, |stream| {
        welcome(stream);
        let _ = stream.write_all(&message(2, 1, DRIVER, ":1.1"));
        hear(stream);
        while stream.write_all(&message(2, 2, ":1.7", ":1.7")).is_ok() {}
    }),
    ("calls back", Errno::EPROTO, |stream| {
        welcome(stream);
        while stream.write_all(&message(1, 1, DRIVER, "x")).is_ok() {}
    }),
    ("knows no GetNameOwner", Errno::EPROTO, |stream| {
        welcome(stream);
        let _ = stream.write_all(&message(2, 1, DRIVER, ":1.1"));
        hear(stream);
        // An error without a name.
        let _ = stream.write_all(&message(3, 2, DRIVER, "x"));
        let _ = stream.read_to_end(&mut Vec::new());
    }),
];

#[test]
fn a_bad_bus_is_an_error_in_time() {
    let dir = directory("bad");
    for (number, (what, errno, misdeed)) in BAD.iter().enumerate() {
        let path = dir.join(number.to_string());
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                misdeed(&mut stream);
            }
        });
        let mut kernel = on_bus(&path);
        let begin = Instant::now();
        let patience = if *errno == Errno::ETIMEDOUT { SHORT } else { PATIENCE };
        let asked = kernel.firewalld_runs(patience);
        assert_eq!(asked.as_ref().map_err(|e| e.errno), Err(*errno), "{what}: {asked:?}");
        let deleted = kernel.zone_source_delete(&source("work", V4), patience);
        assert_eq!(deleted.as_ref().map_err(|e| e.errno), Err(*errno), "{what}: {deleted:?}");
        assert!(begin.elapsed() < PATIENCE / 2, "{what}");
    }
}

/// `connect` itself waits where nobody accepts.
#[test]
fn a_bus_that_takes_nobody_is_not_waited_for() {
    let path = directory("full").join("bus");
    let _listener = UnixListener::bind(&path).unwrap();
    // Until the queue is full: then one more would wait.
    let mut queue = Vec::new();
    loop {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
        let flags = SockFlag::SOCK_NONBLOCK;
        let waiting = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&waiting);
        match connect(fd, &UnixAddr::new(&path).unwrap()) {
            Ok(()) => queue.push(waiting),
            Err(errno) => {
                assert_eq!(errno, Errno::EAGAIN);
                break;
            }
        }
    }
    let late = on_bus(&path).firewalld_runs(SHORT).unwrap_err();
    assert_eq!(late.errno, Errno::ETIMEDOUT, "{late}");
}

/// One that lets this user not in is none.
#[test]
fn a_bus_that_rejects_is_one_without_firewalld() {
    let path = directory("rejects").join("bus");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            hear(&mut stream);
            let _ = stream.write_all(b"REJECTED EXTERNAL\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    stopped(&mut on_bus(&path));
}
