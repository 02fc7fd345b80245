// `node --test`: what is wanted, without a component.

import assert from "node:assert/strict";
import test from "node:test";

import { address, network, read, routes, within } from "./plan.js";

const result = { ips: [{ gateway: address("10.1.0.1") }, { gateway: address("fd00::1") }] };

test("addresses have one meaning", () => {
  assert.deepEqual(address("10.1.2.3"), { tag: "ipv4", val: [10, 1, 2, 3] });
  assert.deepEqual(address("fd00::1"), { tag: "ipv6", val: [0xfd00, 0, 0, 0, 0, 0, 0, 1] });
  assert.deepEqual(address("::"), { tag: "ipv6", val: [0, 0, 0, 0, 0, 0, 0, 0] });
  for (const text of ["10.1.2", "10.1.2.010", "10.1.2.256", "1:2:3", "1::2::3", "1:2:3:4:5:6:7:8::", "g::", "", 7]) {
    assert.equal(address(text), undefined, text);
  }
});

test("networks hold networks", () => {
  const is = (inner, outer) => within(network("k", inner), network("k", outer));
  assert.ok(is("10.1.0.0/16", "10.0.0.0/8"));
  assert.ok(is("10.0.0.0/8", "0.0.0.0/0"));
  assert.ok(!is("10.0.0.0/8", "10.1.0.0/16"));
  assert.ok(!is("fd00::/64", "0.0.0.0/0"));
  assert.throws(() => network("k", "10.0.0.1/8"), { code: 7 });
  assert.throws(() => network("k", "10.0.0.0/33"), { code: 7 });
});

test("routes go where the network allows", () => {
  const conf = (text) => routes(read(text), result);
  const [route] = conf('{"Routes": [{"dst": "10.9.0.0/16"}], "allowed": ["10.0.0.0/8"]}');
  assert.deepEqual(route.gateway, address("10.1.0.1"));
  const [other] = conf('{"routes": [{"dst": "fd09::/16", "gw": "fd00::9"}], "allowed": ["fc00::/7"]}');
  assert.deepEqual(other.gateway, address("fd00::9"));
  const outside = { code: 7, details: 'reading "routes": "11.0.0.0/8" is outside of what "allowed" has: 10.0.0.0/8' };
  assert.throws(() => conf('{"routes": [{"dst": "11.0.0.0/8"}], "allowed": ["10.0.0.0/8"]}'), outside);
  assert.throws(() => conf('{"routes": [{"dst": "10.9.0.0/16"}]}'), { code: 7 });
  assert.throws(() => conf("{}"), { code: 7 });
});
