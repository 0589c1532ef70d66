import assert from "node:assert/strict";
import { test } from "node:test";
import { createAddressReader, limitKeyOf, normalizeAddress } from "../../src/door/address.ts";

function from(peer: string, forwarded?: string, proxiedAddress = "") {
  const headers: Record<string, string> =
    forwarded === undefined ? {} : { "x-forwarded-for": forwarded };
  return { headers, address: peer, proxiedAddress };
}

test("without trusted proxies the address is the TCP peer, whatever headers claim", () => {
  const read = createAddressReader({ trustProxy: [], proxyProtocol: false });
  assert.equal(read(from("203.0.113.9", "1.2.3.4")), "203.0.113.9");
  assert.equal(read(from("203.0.113.9", undefined, "1.2.3.4")), "203.0.113.9");
});

test("the client is the right-most address that no trusted proxy vouches for", () => {
  const trustProxy = ["10.0.0.0/8", "2001:db8:1::/48"];
  const read = createAddressReader({ trustProxy, proxyProtocol: false });
  assert.equal(read(from("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.1.1")), "203.0.113.9");
  assert.equal(read(from("2001:db8:1::5", "203.0.113.9")), "203.0.113.9");
  assert.equal(read(from("203.0.113.1", "6.6.6.6")), "203.0.113.1", "the peer is not trusted");
  assert.equal(read(from("10.0.0.1", "10.0.0.2, 10.0.0.3")), "10.0.0.2", "all are proxies");
  assert.equal(read(from("10.0.0.1", "6.6.6.6, <script>, 10.1.1.1")), "10.1.1.1");
  assert.equal(read(from("10.0.0.1", "")), "10.0.0.1");
});

test("a hop count takes exactly that many entries from the right", () => {
  const one = createAddressReader({ trustProxy: ["1"], proxyProtocol: false });
  const two = createAddressReader({ trustProxy: ["2"], proxyProtocol: false });
  assert.equal(one(from("10.0.0.1", "6.6.6.6, 203.0.113.9")), "203.0.113.9");
  assert.equal(two(from("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.1.1.1")), "203.0.113.9");
  assert.equal(two(from("10.0.0.1", "203.0.113.9")), "203.0.113.9");
});

test("the words loopback and private stand for their networks, and nonsense is refused", () => {
  const read = createAddressReader({ trustProxy: ["loopback", "private"], proxyProtocol: false });
  assert.equal(read(from("127.0.0.1", "203.0.113.9, 192.168.1.1")), "203.0.113.9");
  assert.equal(read(from("::1", "203.0.113.9")), "203.0.113.9");
  for (const bad of ["10.0.0.0/33", "example.com", "10.0.0.0/8/8", "10.0.0.0/x", "-1"]) {
    assert.throws(
      () => createAddressReader({ trustProxy: [bad], proxyProtocol: false }),
      { name: "SettingsError", message: /trustProxy/ },
      bad,
    );
  }
});

test("the PROXY protocol's address is used only when it is switched on", () => {
  const read = createAddressReader({ trustProxy: [], proxyProtocol: true });
  assert.equal(read(from("10.0.0.1", undefined, "203.0.113.9")), "203.0.113.9");
  assert.equal(read(from("10.0.0.1")), "10.0.0.1", "a connection without the PROXY header");
});

test("a forwarded chain of any length is read only so far", () => {
  const read = createAddressReader({ trustProxy: ["private"], proxyProtocol: false });
  assert.equal(read(from("10.0.0.1", `6.6.6.6, ${"10.0.0.2, ".repeat(5000)}10.0.0.3`)), "10.0.0.2");
});

test("addresses have one form: mapped IPv4 is IPv4, IPv6 is short, ports are taken off", () => {
  assert.equal(normalizeAddress("::ffff:127.0.0.1"), "127.0.0.1");
  assert.equal(normalizeAddress("0000:0000:0000:0000:0000:ffff:7f00:0001"), "127.0.0.1");
  assert.equal(normalizeAddress("2001:DB8:0:0::1"), "2001:db8::1");
  assert.equal(normalizeAddress("203.0.113.9:4711"), "203.0.113.9");
  assert.equal(normalizeAddress("[2001:db8::1]:4711"), "2001:db8::1");
  for (const bad of ["", "unknown", "1.2.3", "fe80::1%eth0", "[", "_hidden", "1.2.3.4.5"]) {
    assert.equal(normalizeAddress(bad), undefined, bad);
  }
});

test("limits see an IPv6 client by its /64 and an IPv4 client by its address", () => {
  assert.equal(limitKeyOf("203.0.113.9"), "203.0.113.9");
  assert.equal(limitKeyOf("2001:db8::1"), limitKeyOf("2001:db8:0:0:ffff::2"));
  assert.notEqual(limitKeyOf("2001:db8::1"), limitKeyOf("2001:db8:0:1::1"));
  assert.equal(limitKeyOf("::1"), "0:0:0:0::/64");
});
