// A chained plugin that gives a container routes, as far as its network allows them.

import { log } from "wasmcni:cni/log@0.1.0";
import { enterNetns } from "wasmcni:net/netns@0.1.0";
import { failure, read, routes, same } from "./plan.js";

// The codes of the kernel's and the gate's errors; those that are not here, and new ones, are internal.
const CODES = { denied: 100, busy: 11, exhausted: 11, "timed-out": 11, "not-supported": 50 };

/** Does something with host calls; their errors, which come as the payload of an exception, become the runtime's. */
function doing(what, act) {
  try {
    return act();
  } catch (error) {
    if (error.payload === undefined) throw error;
    const { code, detail } = error.payload;
    throw failure(CODES[code] ?? 999, `${what}: ${detail}`);
  }
}

/** The routes that are wanted; the plugins before this one must have made the interface. */
function wanted(request) {
  if (!request.prevResult) {
    throw failure(7, 'reading "prevResult": missing: run it after a plugin that makes the interface');
  }
  return routes(read(request.configuration), request.prevResult);
}

/** The container and its interface. */
function open(request) {
  const netns = enterNetns("container");
  const link = netns.findLink(request.ifname);
  if (!link) throw failure(110, `the container has no link "${request.ifname}"`);
  return { netns, link };
}

/** A route with all that the contract has for one. */
const spec = ({ destination, gateway }) => ({
  destination, gateway, source: null, scope: null, table: null, priority: null, mtu: null, advmss: null,
});

/** A route as a result has it. */
const told = ({ destination, gateway }) => ({
  destination, gateway, mtu: null, advmss: null, priority: null, table: null, scope: null,
});

/** A route for people. */
const text = ({ destination: { address, prefixLength } }) =>
  `${address.val.map((n) => n.toString(address.tag === "ipv4" ? 10 : 16)).join(address.tag === "ipv4" ? "." : ":")}/${prefixLength}`;

export const plugin = {
  add(request) {
    const list = wanted(request);
    // What was added is taken back by the host when a later one fails.
    doing("adding routes", () => {
      const { netns, link } = open(request);
      for (const route of list) netns.addRoute(spec(route), link);
    });
    const { prevResult } = request;
    return { ...prevResult, routes: [...prevResult.routes, ...list.map(told)] };
  },

  check(request) {
    const found = doing("reading routes", () => {
      const { netns, link } = open(request);
      const { index } = link.info();
      return netns.routes().filter((route) => route.link === index);
    });
    for (const route of wanted(request)) {
      const there = found.some(
        (other) =>
          same(other.destination.address, route.destination.address) &&
          other.destination.prefixLength === route.destination.prefixLength &&
          same(other.gateway, route.gateway),
      );
      if (!there) throw failure(110, `the container has no route to ${text(route)} by its gateway`);
    }
  },

  // With the container its routes are gone, and DEL comes twice: nothing there is success. What a
  // configuration that was changed since no longer names, the host knows and takes back.
  del(request) {
    if (!request.prevResult) return;
    let list;
    try {
      list = wanted(request);
    } catch (error) {
      log("warn", `no routes are deleted: ${error.details}`);
      return;
    }
    const gone = (error) => error.payload?.code === "not-found" || error.code === 110;
    for (const route of list) {
      doing("deleting routes", () => {
        try {
          const { netns, link } = open(request);
          netns.deleteRoute(spec(route), link);
        } catch (error) {
          if (!gone(error)) throw error;
        }
      });
    }
  },

  gc() {},

  status(request) {
    // Routes are for containers: a configuration that can be read is all that is needed of the node.
    read(request.configuration);
  },
};
