//! `host-device`: how the configuration names a device, and sysfs leads to its link.

use std::fs;
use std::os::unix::fs::symlink;

use nix::mount::{MsFlags, mount};
use serde_json::json;

use super::children::words;
use super::host_device::{MAC, conf, is_up, l2, plug_in};
use super::{failed, on_node};
use crate::harness::netns::names;
use crate::harness::node::{Container, Node, on_a_node, with};
use crate::harness::sandbox::notice;

/// A PCI device of the node, by its address and by its path.
const PCI: &str = "0000:3b:00.2";
const PCI_PATH: &str = "devices/pci0000:3a/0000:3b:00.2";

/// A PCI device of sysfs with this link, and a driver.
fn pci_device(node: &Node, link: Option<&str>, driver: &str) {
    let sys = node.below("sys");
    let device = sys.join(PCI_PATH);
    fs::create_dir_all(&device).unwrap();
    fs::create_dir_all(sys.join("bus/pci/devices")).unwrap();
    fs::create_dir_all(sys.join("bus/pci/drivers").join(driver)).unwrap();
    let there = sys.join("bus/pci/devices").join(PCI);
    if !there.exists() {
        symlink(format!("../../../{PCI_PATH}"), there).unwrap();
    }
    let _ = fs::remove_file(device.join("driver"));
    symlink(format!("../../../bus/pci/drivers/{driver}"), device.join("driver")).unwrap();
    if let Some(link) = link {
        class_link(node, link, PCI_PATH);
    }
}

/// A link of a device, in its directory and in `/sys/class/net`.
fn class_link(node: &Node, link: &str, device: &str) {
    let sys = node.below("sys");
    let dir = sys.join(device).join("net").join(link);
    fs::create_dir_all(&dir).unwrap();
    symlink("../..", dir.join("device")).unwrap();
    fs::create_dir_all(sys.join("class/net")).unwrap();
    symlink(format!("../../{device}/net/{link}"), sys.join("class/net").join(link)).unwrap();
}

/// Each key finds its device, and the first that says something counts.
#[test]
fn each_key_finds_the_device() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        pci_device(&node, Some("ens5"), "ice");
        let container = Container::new("c");
        for keys in [
            json!({ "device": "ens5" }),
            json!({ "hwaddr": MAC }),
            json!({ "hwaddr": "02-00-00-00-00-05" }),
            json!({ "HwAddr": "0200.0000.0005", "pciBusID": "0000:00:00.0" }),
            json!({ "kernelpath": format!("/sys/{PCI_PATH}") }),
            json!({ "pciBusID": PCI }),
            json!({ "pciBusID": "0000:3B:00.2" }),
            json!({ "runtimeConfig": { "deviceID": PCI }, "pciBusID": "0000:00:00.0" }),
            json!({ "device": "ens5", "hwaddr": "02:00:00:00:00:99" }),
        ] {
            let conf = l2(keys.clone());
            let result = node.add(&conf, &container);
            assert_eq!(container.interface()["ifalias"], "ens5", "{keys}");
            let told = result["interfaces"][0]["pciID"].as_str();
            assert!(told.is_some_and(|id| id.eq_ignore_ascii_case(PCI)), "{keys}: {result}");
            node.check(&conf, &container, &result).success();
            node.del(&conf, &container);
        }
        assert_eq!(node.leftovers(&["ens5"]), [""; 0]);
    });
}

#[test]
fn a_virtio_devices_link_is_its_childs() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        pci_device(&node, None, "virtio-pci");
        class_link(&node, "ens5", &format!("{PCI_PATH}/virtio2"));
        let container = Container::new("c");
        for keys in [json!({ "pciBusID": PCI }), json!({ "device": "ens5" })] {
            let result = node.add(&l2(keys.clone()), &container);
            assert_eq!(result["interfaces"][0]["pciID"], PCI, "{keys}");
            node.del(&l2(keys), &container);
        }
    });
}

#[test]
fn the_runtime_may_give_a_device_of_the_auxiliary_bus() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let auxiliary = format!("{PCI_PATH}/mlx5_core.sf.4");
        class_link(&node, "ens5", &auxiliary);
        let bus = node.below("sys/bus/auxiliary/devices");
        fs::create_dir_all(&bus).unwrap();
        symlink(format!("../../../{auxiliary}"), bus.join("mlx5_core.sf.4")).unwrap();
        let container = Container::new("c");
        let conf = l2(json!({ "runtimeConfig": { "deviceID": "mlx5_core.sf.4" } }));
        let result = node.add(&conf, &container);
        assert_eq!(container.interface()["ifalias"], "ens5");
        assert_eq!(result["interfaces"][0]["pciID"], PCI);
        node.check(&conf, &container, &result).success();
        node.del(&conf, &container);
        let other = l2(json!({ "runtimeConfig": { "deviceID": "mlx5_core.sf.5" } }));
        failed(&node.call("ADD", &other, &container).run(), 999, "mlx5_core.sf.5");
    });
}

/// The kernel's own sysfs. One shows the links of the namespace that it was mounted in.
#[test]
fn kernelpath_is_a_path_of_sysfs() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let sys = node.below("sys");
        fs::create_dir_all(&sys).unwrap();
        if let Err(errno) =
            mount(Some("sysfs"), &sys, Some("sysfs"), MsFlags::empty(), None::<&str>)
        {
            return notice(&format!("kernelpath in the kernel's own sysfs: mounting it: {errno}"));
        }
        let container = Container::new("c");
        let conf = l2(json!({ "kernelpath": "/sys/devices/virtual" }));
        let result = node.add(&conf, &container);
        let alias = container.interface()["ifalias"].clone();
        assert!(alias == "ens5" || alias == "lo", "{alias}");
        assert!(result["interfaces"][0]["pciID"].is_null(), "{result}");
        node.del(&conf, &container);
        let conf = l2(json!({ "kernelpath": "/sys/devices/system/cpu" }));
        failed(&node.call("ADD", &conf, &container).run(), 999, "/sys/devices/system/cpu");
    });
}

/// A device that a program in the container drives by itself has no link: nothing is moved.
#[test]
fn devices_of_user_space_stay_where_they_are() {
    on_a_node(|node| {
        let container = Container::new("c");
        for driver in ["vfio-pci", "uio_pci_generic", "igb_uio"] {
            pci_device(&node, None, driver);
            let conf = conf(json!({ "runtimeConfig": { "deviceID": PCI } }));
            let result = node.add(&conf, &container);
            assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo"]);
            assert_eq!(result["interfaces"].as_array().unwrap().len(), 1);
            assert_eq!(result["interfaces"][0]["name"], "eth0");
            assert_eq!(result["interfaces"][0]["pciID"], PCI);
            assert_eq!(result["ips"].as_array().unwrap().len(), 2);
            assert_eq!(node.reservations().len(), 2);
            node.check(&conf, &container, &result).success();
            // Another plugin's link of that name is none of ours.
            container.netns.exec("ip", &words("link add eth0 type bridge"));
            container.netns.exec("ip", &words("link set eth0 alias ens5"));
            node.del(&conf, &container);
            assert_eq!(names(&container.netns.ip_json(&["link"])), ["lo", "eth0"]);
            container.netns.exec("ip", &words("link del eth0"));
            assert_eq!(node.leftovers(&[]), [""; 0]);
            let alone = with(&conf, json!({ "ipam": null }));
            let result = node.add(&alone, &container);
            assert_eq!(result, json!({ "cniVersion": "1.1.0" }));
            node.check(&alone, &container, &result).success();
            node.del(&alone, &container);
        }
        assert_eq!(node.leftovers(&[]), [""; 0]);
    });
}

/// A link of sysfs that leads out of it is no device's.
#[test]
fn no_path_leads_out_of_sysfs() {
    on_a_node(|node| {
        let _network = plug_in("ens5");
        let outside = node.below("outside");
        fs::create_dir_all(outside.join("net/ens5")).unwrap();
        fs::create_dir_all(node.below("sys/devices")).unwrap();
        symlink("../../outside", node.below("sys/devices/way-out")).unwrap();
        symlink(&outside, node.below("sys/devices/far-out")).unwrap();
        let container = Container::new("c");
        for way in ["way-out", "far-out"] {
            let conf = l2(json!({ "kernelpath": format!("/sys/devices/{way}") }));
            failed(&node.call("ADD", &conf, &container).run(), 999, way);
        }
        assert!(is_up(&on_node("ens5")));
    });
}
