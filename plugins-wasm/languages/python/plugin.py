"""An IPAM plugin that gives a pod the same address each time it is started.

Where in the subnet a pod's address lies is a hash of the pod's name; if another container holds that
address, the next free one is taken. That a pod comes back to its address is thus likely, not certain.
What is certain, the host's reservations see to: no two containers ever hold one address.
"""

import ipaddress
import json
import zlib
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log, reservations
from wit_world.imports import wasmcni_cni_types as cni
from wit_world.imports import wasmcni_net_types as net

# The error codes of CNI's specification that are used here, and wasmcni's own.
CONFIGURATION, TRY_AGAIN, NOT_AVAILABLE, DENIED, CHANGED, INTERNAL = 7, 11, 50, 100, 110, 999
MESSAGES = {
    CONFIGURATION: "invalid network configuration",
    TRY_AGAIN: "try again later",
    NOT_AVAILABLE: "plugin not available",
    DENIED: "denied by policy",
    CHANGED: "attachment missing or changed",
    INTERNAL: "internal error",
}
# The codes of the kernel's and the gate's errors; those that are not here, and new ones, are internal.
CODES = {
    net.ErrorCode.DENIED: DENIED,
    net.ErrorCode.BUSY: TRY_AGAIN,
    net.ErrorCode.EXHAUSTED: TRY_AGAIN,
    net.ErrorCode.TIMED_OUT: TRY_AGAIN,
    net.ErrorCode.NOT_SUPPORTED: NOT_AVAILABLE,
}

Subnet = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def failure(code: int, details: str) -> Err:
    """An error as the runtime sees it, to be raised."""
    return Err(cni.CniError(code, MESSAGES[code], details))


class Doing:
    """Tells an error of a host call as the runtime's: `with Doing("reserving an address"): …`."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Err) and isinstance(error.value, net.Error):
            code = CODES.get(error.value.code, INTERNAL)
            raise failure(code, f"{self.what}: {error.value.detail}")


def read(text: str) -> dict:
    """The key `ipam` of a configuration, read as Go's JSON does: case of keys and nulls do not count."""

    def fold(pairs: list) -> dict:
        return {key.lower(): value for key, value in pairs if value is not None}

    ipam = json.loads(text, object_pairs_hook=fold).get("ipam", {})
    if not isinstance(ipam, dict):
        raise failure(CONFIGURATION, f'reading "ipam": got {ipam!r}, expected an object')
    return ipam


def data_dir(ipam: dict) -> str | None:
    """Where the reservations are; none: where host-local has its own."""
    place = ipam.get("datadir")
    if place is not None and not isinstance(place, str):
        raise failure(CONFIGURATION, f'reading "ipam.dataDir": got {place!r}, expected a text')
    return place or None


def subnets(ipam: dict) -> list[Subnet]:
    """The networks that addresses come from: one of each family at most."""
    texts = ipam.get("subnets")
    if not isinstance(texts, list) or not texts:
        raise failure(CONFIGURATION, f'reading "ipam.subnets": got {texts!r}, expected a list of networks')
    found: list[Subnet] = []
    for text in texts:
        try:
            subnet = ipaddress.ip_network(text)
        except (TypeError, ValueError) as error:
            raise failure(CONFIGURATION, f'reading "ipam.subnets": {error}') from None
        if subnet.num_addresses < 4:
            raise failure(CONFIGURATION, f'reading "ipam.subnets": "{subnet}" has no room for a container')
        if any(subnet.version == other.version for other in found):
            raise failure(CONFIGURATION, f'reading "ipam.subnets": "{subnet}" is the second of its family')
        found.append(subnet)
    return found


def gateway(subnet: Subnet) -> Address:
    """The subnet's first address, as it is host-local's gateway."""
    return subnet[1]


def room(subnet: Subnet) -> tuple[Address, Address]:
    """The first and the last address for containers: not the network, the gateway, or the broadcast."""
    return subnet[2], subnet[-2]


def whose(request: cni.Request) -> str:
    """What the address is a hash of: the pod's name, or the container's id where there are no pods."""
    if isinstance(request.arguments, Err):
        return request.container_id
    said = dict(request.arguments.value)
    pod = said.get("K8S_POD_NAMESPACE"), said.get("K8S_POD_NAME")
    return "/".join(pod) if all(pod) else request.container_id


def preferred(subnet: Subnet, name: str) -> Address:
    """The address that a name would have if it were free."""
    first, last = room(subnet)
    # Not Python's hash(): that differs from process to process.
    return first + zlib.crc32(name.encode()) % (int(last) - int(first) + 1)


def wanted(subnet: Subnet, name: str) -> list[tuple[Address, Address]]:
    """Where to look for an address, in order: from the preferred one up, then below it."""
    first, last = room(subnet)
    start = preferred(subnet, name)
    return [(start, last)] + ([(first, start - 1)] if start > first else [])


def take(store: reservations.Store, subnet: Subnet, number: int, name: str) -> Address:
    """Reserves the first free address of those that are wanted."""
    for low, high in wanted(subnet, name):
        while (free := store.next_free(to_wit(low), to_wit(high))) is not None:
            if store.reserve(free, number) == reservations.Claim.RESERVED:
                if (address := from_wit(free)) != preferred(subnet, name):
                    log.log(log.Level.INFO, f'"{name}" has {address}: another holds {preferred(subnet, name)}')
                return address
            # Somebody passed by the lock. Go on above, so that the search ends whatever they do.
            low = from_wit(free) + 1
            if low > high:
                break
    raise failure(TRY_AGAIN, f'searching "{subnet}": no address is free; release some, or make it larger')


def to_wit(address: Address) -> net.IpAddress:
    if address.version == 4:
        return net.IpAddress_Ipv4(tuple(address.packed))
    octets = address.packed
    return net.IpAddress_Ipv6(tuple(int.from_bytes(octets[i : i + 2]) for i in range(0, 16, 2)))


def from_wit(address: net.IpAddress) -> Address:
    if isinstance(address, net.IpAddress_Ipv4):
        return IPv4Address(bytes(address.value))
    return IPv6Address(b"".join(group.to_bytes(2) for group in address.value))


class Plugin(exports.Plugin):
    """What the host calls: wasmcni:cni/plugin."""

    def add(self, request: cni.Request) -> cni.CniResult:
        ipam = read(request.configuration)
        nets, name, ips = subnets(ipam), whose(request), []
        # The lock is held until the handle is dropped. What was reserved is released by the host when this fails.
        with Doing("reserving an address"), reservations.open(data_dir(ipam)) as store:
            held = [str(from_wit(address)) for address in store.held()]
            if held:
                raise failure(TRY_AGAIN, f"reserving an address: the container holds {held} already")
            for number, subnet in enumerate(nets):
                address = to_wit(take(store, subnet, number, name))
                network = net.IpNetwork(address, subnet.prefixlen)
                ips.append(cni.IpConfig(None, network, to_wit(gateway(subnet))))
        defaults = [net.IpNetwork(to_wit(n.network_address.__class__(0)), 0) for n in nets]
        routes = [cni.Route(to, None, None, None, None, None, None) for to in defaults]
        return cni.CniResult([], ips, routes, cni.Dns([], None, [], []))

    def del_(self, request: cni.Request) -> None:
        # Subnets that have become wrong must not keep addresses from being released: they are not read.
        with Doing("releasing addresses"), reservations.open(data_dir(read(request.configuration))) as store:
            store.release()

    def check(self, request: cni.Request) -> None:
        ipam = read(request.configuration)
        with Doing("reading reservations"), reservations.open(data_dir(ipam)) as store:
            held = [from_wit(address) for address in store.held()]
        for subnet in subnets(ipam):
            if not any(address.version == subnet.version and address in subnet for address in held):
                raise failure(CHANGED, f'the container holds no address of "{subnet}"')
        told = request.prev_result.ips if request.prev_result else []
        for ip in told:
            address = from_wit(ip.address.address)
            if address not in held:
                raise failure(CHANGED, f'the container does not hold "{address}", which its result has')

    def gc(self, request: cni.NetworkRequest, valid: list[cni.AttachmentId]) -> None:
        kept = [reservations.AttachmentId(one.container_id, one.ifname) for one in valid]
        with Doing("sweeping reservations"), reservations.open(data_dir(read(request.configuration))) as store:
            store.sweep(kept)

    def status(self, request: cni.NetworkRequest) -> None:
        ipam = read(request.configuration)
        with Doing("reading reservations"), reservations.open(data_dir(ipam)) as store:
            for subnet in subnets(ipam):
                low, high = room(subnet)
                if store.next_free(to_wit(low), to_wit(high)) is None:
                    raise failure(NOT_AVAILABLE, f'searching "{subnet}": no address is free')
