// What is wanted, out of a configuration: no host calls, so that it can be tested by Node.js.

// Codes of CNI's specification and of wasmcni, with the message that belongs to each.
const MESSAGES = {
  7: "invalid network configuration",
  11: "try again later",
  50: "plugin not available",
  100: "denied by policy",
  110: "attachment missing or changed",
  999: "internal error",
};

/** An error as the runtime sees it: thrown, it is what the call returns. */
export function failure(code, details) {
  return { code, msg: MESSAGES[code], details };
}

/** A configuration as Go's JSON reads it: neither the case of keys nor nulls count. */
export function read(text) {
  return JSON.parse(text, (_, value) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value ?? undefined;
    return Object.fromEntries(Object.entries(value).map(([key, v]) => [key.toLowerCase(), v]));
  });
}

/** An address in the contract's form and as one number: `10.1.2.3`, `fd00::1`. */
export function address(text) {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  const parts = v4 ? v4.slice(1) : groups(String(text));
  const [max, tag] = v4 ? [255, "ipv4"] : [0xffff, "ipv6"];
  // 010 is 10 to some programs and 8 to others.
  const val = parts?.map((part) => (v4 ? (/^(0|[1-9]\d*)$/.test(part) ? Number(part) : NaN) : parseInt(part, 16)));
  return val?.every((part) => part >= 0 && part <= max) ? { tag, val } : undefined;
}

/** The eight groups of an IPv6 address; `::` stands for those that are missing. */
function groups(text) {
  if (!/^[0-9a-f:]{2,39}$/i.test(text)) return undefined;
  const [head, tail, more] = text.split("::").map((side) => (side === "" ? [] : side.split(":")));
  if (more !== undefined || (tail === undefined && head.length !== 8)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail !== undefined && missing < 1) return undefined;
  const all = [...head, ...Array(missing).fill("0"), ...(tail ?? [])];
  return all.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) ? all : undefined;
}

const bits = (address) => (address.tag === "ipv4" ? 8 : 16);

const number = (address) => address.val.reduce((n, part) => (n << BigInt(bits(address))) | BigInt(part), 0n);

/** A network, `10.1.0.0/16`; one with host bits is refused, since it says two things. */
export function network(key, text) {
  const [, left, right] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const found = left === undefined ? undefined : address(left);
  const length = Number(right);
  const width = found && found.val.length * bits(found);
  if (!found || length > width) {
    throw failure(7, `reading "${key}": got ${JSON.stringify(text)}, expected address/prefix-length`);
  }
  if (number(found) & ((1n << BigInt(width - length)) - 1n)) {
    throw failure(7, `reading "${key}": "${text}" has bits beyond its prefix length`);
  }
  return { text, address: found, prefixLength: length, width };
}

/** Whether one network lies within another. */
export function within(inner, outer) {
  const shift = BigInt(outer.width - outer.prefixLength);
  return (
    inner.address.tag === outer.address.tag &&
    inner.prefixLength >= outer.prefixLength &&
    number(inner.address) >> shift === number(outer.address) >> shift
  );
}

/** Whether two addresses, of the contract's form, are the same. */
export const same = (a, b) => a?.tag === b?.tag && String(a?.val) === String(b?.val);

/** The routes that a configuration asks for, all of them within what it allows. */
export function routes(configuration, result) {
  const list = (key, fallback) => {
    const value = configuration[key] ?? fallback;
    if (Array.isArray(value)) return value;
    throw failure(7, `reading "${key}": got ${JSON.stringify(value)}, expected a list`);
  };
  const allowed = list("allowed", []).map((text) => network("allowed", text));
  return list("routes").map((route) => {
    const to = network("routes.dst", route?.dst);
    if (!allowed.some((range) => within(to, range))) {
      const ranges = allowed.map((range) => range.text).join(", ") || "nothing";
      throw failure(7, `reading "routes": "${to.text}" is outside of what "allowed" has: ${ranges}`);
    }
    return { destination: { address: to.address, prefixLength: to.prefixLength }, gateway: gateway(route, to, result) };
  });
}

/** A route's gateway: its own, or that of the interface's address of the same family. */
function gateway(route, to, result) {
  if (route.gw !== undefined && route.gw !== "") {
    const found = address(route.gw);
    if (found?.tag === to.address.tag) return found;
    throw failure(7, `reading "routes.gw": got ${JSON.stringify(route.gw)}, expected an address of "${to.text}"'s family`);
  }
  const ip = result.ips.find((ip) => ip.gateway?.tag === to.address.tag);
  if (ip) return ip.gateway;
  throw failure(7, `reading "routes.gw": missing: no plugin before this one gave a gateway for "${to.text}"`);
}
