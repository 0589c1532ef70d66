import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Shape } from "../subjects/host.ts";
import type { Codec, Protocol } from "../wire/packets.ts";
import { type CommandLine, UsageError } from "./args.ts";
import { ROOT } from "./build.ts";
import { runTool } from "./tool.ts";

/** A server of another language that can be measured beside ours, once it has been built. */
export interface Peer {
  readonly name: string;
  readonly protocol: Protocol;
  readonly codecs: readonly Codec[];
  readonly shapes: readonly Shape[];
  /** Whether each event has a task of its own: acks are then asked for once, in any order. */
  readonly isConcurrent: boolean;
  /** What builds it, and who has that. */
  readonly tool: string;
  readonly toolFrom: string;
  /** The command that builds it in its folder, and what that makes, below a cache folder. */
  build(cache: string): {
    readonly words: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly program: string;
  };
}

/** Which case of a scenario peers are asked to take part in. */
export interface Fit {
  readonly codec: Codec;
  readonly shape?: Shape;
}

/** Peers are built once, outside what git tracks; their own tools know when that is out of date. */
const CACHE = join(ROOT, "node_modules", ".cache", "sluice-bench");

/** Every peer there is. Its source is in `bench/peers/<name>`. */
export const PEERS: readonly Peer[] = [
  {
    name: "socketioxide",
    protocol: "socket.io",
    codecs: ["json", "msgpack"],
    shapes: ["namespace", "room", "sender", "except", "union"],
    isConcurrent: true,
    tool: "cargo",
    toolFrom: "https://rustup.rs",
    build: (cache) => ({
      // One job: whoever measures meanwhile on the other core is not disturbed.
      words: ["cargo", "build", "--release", "--locked", "-j1", "--target-dir", cache],
      env: {},
      program: join(cache, "release", "sluice-bench-socketioxide"),
    }),
  },
  {
    name: "centrifugo",
    protocol: "centrifugo",
    codecs: ["json"],
    shapes: ["namespace", "room"],
    isConcurrent: false,
    tool: "go",
    toolFrom: "https://go.dev",
    build: (cache) => ({
      words: ["go", "build", "-p", "1", "-o", join(cache, "centrifugo"), "."],
      env: { GOFLAGS: "-mod=readonly -buildvcs=false" },
      program: join(cache, "centrifugo"),
    }),
  },
];

/** Returns the peer of a name, if it is one. */
export function findPeer(name: string): Peer | undefined {
  return PEERS.find((peer) => peer.name === name);
}

/** Returns what the clients of a subject speak. */
export function protocolOf(subject: string): Protocol {
  return findPeer(subject)?.protocol ?? "socket.io";
}

/** Returns why a peer has no part in a case; undefined when it has one. */
export function whyNot(peer: Peer, { codec, shape }: Fit): string | undefined {
  if (!peer.codecs.includes(codec)) return `it speaks ${peer.codecs.join()}, not ${codec}`;
  if (shape && !peer.shapes.includes(shape)) return `it has no broadcast of shape ${shape}`;
  return undefined;
}

/** Returns the peers that a command line asks for, by `--peers` or by name in `--against`. */
export function peersOf(line: Pick<CommandLine, "has" | "words">): Peer[] {
  const named = line.words("against", []);
  if (line.has("peers") && named.length > 0)
    throw new UsageError("--peers and --against exclude each other");
  return PEERS.filter(({ name }) => line.has("peers") || named.includes(name));
}

/** What building peers stands on. */
export interface PeerNeeds {
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
  /** Prints a line that stays. */
  readonly note: (text: string) => void;
}

/**
 * Builds peers and returns their programs by name. One that cannot be built is left out with a
 * line that says why; the first build of one takes minutes.
 */
export async function buildPeers(
  peers: readonly Peer[],
  needs: PeerNeeds,
): Promise<Map<string, string>> {
  const programs = new Map<string, string>();
  for (const peer of peers) {
    const { name, tool, toolFrom } = peer;
    const built = await buildPeer(peer, needs);
    needs.signal.throwIfAborted();
    if ("program" in built) programs.set(name, built.program);
    else if (built.code === null)
      needs.note(`${name} is left out: it is built by ${tool} (${toolFrom}), which did not start`);
    else needs.note(`${name} is left out: ${tool} did not build it:\n${tailOf(built.output)}`);
  }
  return programs;
}

async function buildPeer(
  peer: Peer,
  { signal, say }: PeerNeeds,
): Promise<{ program: string } | { code: number | null; output: string }> {
  const cache = join(CACHE, peer.name);
  mkdirSync(cache, { recursive: true });
  const { words, env, program } = peer.build(cache);
  const first = existsSync(program) ? "" : ", minutes the first time";
  const what = `${peer.name} is built by ${peer.tool}${first}`;
  say(what);
  const { code, output } = await runTool(["nice", ...words], {
    cwd: join(ROOT, "bench", "peers", peer.name),
    env: { ...process.env, ...env },
    signal,
    seen: (line) => say(`${what}: ${line}`),
  });
  // `nice` answers 127 for a command that is not there.
  return code === 0 ? { program } : { code: code === 127 ? null : code, output };
}

/** The end of what a tool printed: where compilers say what is wrong. */
function tailOf(output: string): string {
  return output.trimEnd().split("\n").slice(-10).join("\n");
}
