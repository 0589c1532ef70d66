import { BlockList, isIP } from "node:net";
import { type Settings, SettingsError } from "../core/settings.ts";

/** Where an address is read from. */
interface AddressSource {
  /** Names are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Address of the TCP peer, as text. */
  readonly address: string;
  /** Address in the PROXY protocol v2 header, empty without one. */
  readonly proxiedAddress: string;
}

const NAMED_RANGES: Readonly<Record<string, readonly string[]>> = {
  loopback: ["127.0.0.0/8", "::1/128"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"],
};

/** Hops read at most: a client can send a header of any length. */
const HOPS_MAX = 32;

/**
 * Returns the function that finds the client address of a request, which limits are counted by.
 *
 * Without trusted proxies it is the address of the TCP peer, whatever the headers say. Otherwise
 * X-Forwarded-For is read from its right end. Trusted proxies are skipped (or as many entries as
 * the hop count says), and the first address that is not trusted is the client. Reading stops at an
 * entry that is not an address; then the last valid one is the client.
 *
 * Throws {@link SettingsError} for an entry of `trustProxy` that is not one of the allowed forms.
 */
export function createAddressReader(
  settings: Pick<Settings["socket"], "trustProxy" | "proxyProtocol">,
): (from: AddressSource) => string {
  const trusted = readTrust(settings.trustProxy);
  return (from) => {
    const peer = (settings.proxyProtocol && from.proxiedAddress) || from.address;
    const forwarded = trusted && from.headers["x-forwarded-for"];
    return forwarded ? walkBack(peer, forwarded, trusted) : peer;
  };
}

/** Whether to trust the proxy at `address`, which is `hop` steps away from this server. */
type Trust = (address: string, hop: number) => boolean;

function walkBack(peer: string, forwarded: string, trusts: Trust): string {
  let client = peer;
  const entries = forwarded.split(",").slice(-HOPS_MAX);
  for (let hop = 0; hop < entries.length + 1; hop++) {
    if (!trusts(client, hop)) return client;
    const next = normalizeAddress(entries[entries.length - 1 - hop] ?? "");
    if (next === undefined) return client;
    client = next;
  }
  return client;
}

function readTrust(entries: readonly string[]): Trust | undefined {
  const first = entries[0];
  if (first === undefined) return undefined;
  if (entries.length === 1 && /^\d{1,2}$/.test(first)) {
    const hops = Number(first);
    return (_address, hop) => hop < hops;
  }
  const list = new BlockList();
  for (const cidr of entries.flatMap((entry) => NAMED_RANGES[entry] ?? [entry]))
    addCidr(list, cidr);
  return (address) => isIP(address) > 0 && list.check(address, familyOf(address));
}

function addCidr(list: BlockList, cidr: string): void {
  const [address = "", bits, rest] = cidr.split("/");
  const kind = isIP(address);
  const width = kind === 4 ? 32 : 128;
  const prefix = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : -1;
  if (kind === 0 || rest !== undefined || prefix < 0 || prefix > width) {
    const bound = "must be an address, a CIDR, loopback, private, or alone a number of hops";
    throw new SettingsError([{ path: "socket.trustProxy", value: JSON.stringify(cidr), bound }]);
  }
  list.addSubnet(address, prefix, familyOf(address));
}

const familyOf = (address: string) => (isIP(address) === 4 ? "ipv4" : "ipv6");

/**
 * Returns an address in one form: IPv4 dotted (also if it is mapped into IPv6), IPv6 as in RFC
 * 5952. Ports and brackets, which some proxies add, are removed. Returns `undefined` for anything
 * else.
 */
export function normalizeAddress(text: string): string | undefined {
  const bare = stripPort(text.trim());
  const kind = isIP(bare);
  if (kind === 4) return bare;
  if (kind !== 6 || bare.includes("%")) return undefined;
  // The URL parser writes the canonical short form.
  const short = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short);
  if (!mapped) return short;
  const [high = 0, low = 0] = mapped.slice(1).map((group) => Number.parseInt(group, 16));
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function stripPort(text: string): string {
  if (text.startsWith("[")) return text.slice(1, text.indexOf("]"));
  return text.includes(".") && text.split(":").length === 2 ? (text.split(":")[0] ?? "") : text;
}

/**
 * Returns the key that limits are counted by: an IPv4 address, or the /64 of an IPv6 address, which
 * is the smallest block that a single customer gets. Expects an address in the form of
 * {@link normalizeAddress}.
 */
export function limitKeyOf(address: string): string {
  if (!address.includes(":")) return address;
  const [left = "", right] = address.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  const gap = right === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array<string>(gap).fill("0"), ...tail];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
