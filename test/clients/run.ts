import { spawn } from "node:child_process";
import { ROOT, type Scope, SLUICE, startProcess } from "../harness/process.ts";
import { tcpSwitch } from "../harness/tcp-switch.ts";
import { nowS, signToken, TOKEN_SECRET } from "../harness/tokens.ts";
import { findFaults } from "./faults.ts";
import { startPeer } from "./peer.ts";
import type { ClientInfo, ClientReport, RowResult } from "./rows.ts";

/** Characters of a detail that are told: some hold all the bytes of a row. */
const DETAIL_CHARS = 300;

/** A client that takes longer hangs. */
const PROGRAM_MS = 90_000;

/** What a client's program says of each row, and what its gateway has seen go wrong. */
export interface Run {
  readonly report: ClientReport;
  readonly faults: readonly string[];
}

/** How a client is run. */
export interface RunOptions {
  /** Its program. */
  readonly command: readonly string[];
  /** What its gateway is given beside the settings of all. */
  readonly flags: readonly string[];
  /** Reasons other than the usual for which the gateway may end its connections. */
  readonly closes: readonly string[];
  /** A row is done. */
  seen(row: string, result: string): void;
}

/** Starts a gateway and a client's program; resolves once the program has ended. */
export async function runClient(
  scope: Scope,
  { command, flags, closes, seen }: RunOptions,
): Promise<Run> {
  const token = await signToken({ sub: "suite", exp: nowS() + 3600 });
  const settings = ["--socket.serveClient", "true", "--auth.mode", "jwt"];
  const module = ["--handlers.module", "test/clients/server.ts"];
  const gateway = startProcess(scope, [...SLUICE, ...settings, ...module, ...flags], {
    PORT: "0",
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_AUTH_SECRET: TOKEN_SECRET,
  });
  const port = Number((await gateway.line("port")).port);
  // Between the client and the gateway, so that the network can be cut.
  const network = await tcpSwitch(scope, port);
  const direct = `http://127.0.0.1:${port}`;
  const peer = await startPeer(direct, token, network.cut);
  scope.after(() => peer.disconnect());
  const lines = await runProgram(scope, command, {
    env: { SLUICE_URL: network.url, SLUICE_TOKEN: token },
    seen(line) {
      if ("row" in line) seen(line.row, line.result);
    },
  });
  if (gateway.child.exitCode !== null) throw new Error(`the gateway ended: ${gateway.output()}`);
  return { report: readReport(lines), faults: await findFaults(gateway, { url: direct, closes }) };
}

type Line = ClientInfo | ({ readonly row: string } & RowResult);

interface ProgramNeeds {
  readonly env: Readonly<Record<string, string>>;
  seen(line: Line): void;
}

async function runProgram(
  scope: Scope,
  [file = "", ...args]: readonly string[],
  { env, seen }: ProgramNeeds,
): Promise<Line[]> {
  const child = spawn(file, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal ?? "ended"));
  });
  scope.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended;
  });
  const lines: Line[] = [];
  let output = "";
  let rest = "";
  child.stderr.setEncoding("utf8").on("data", (data) => (output += data));
  child.stdout.setEncoding("utf8").on("data", (data: string) => {
    const texts = (rest + data).split("\n");
    rest = texts.pop() ?? "";
    for (const text of texts) {
      output += `${text}\n`;
      const line = readLine(text);
      if (!line) continue;
      lines.push(line);
      seen(line);
    }
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), PROGRAM_MS);
  const code = await ended.finally(() => clearTimeout(timer));
  if (code !== 0) throw new Error(`the client's program ended with ${code}:\n${output}`);
  return lines;
}

function readLine(text: string): Line | undefined {
  if (!/^\{"(client|row)":/.test(text.replaceAll(" ", ""))) return undefined;
  const line: unknown = JSON.parse(text);
  return line as Line; // the programs are of this suite, and write what README.md says
}

function readReport(lines: readonly Line[]): ClientReport {
  const info = lines.find((line) => "client" in line);
  if (!info) throw new Error("the client's program has not said what it is");
  const { client, version, runtime } = info;
  const rows: Record<string, RowResult> = {};
  for (const line of lines) {
    if (!("row" in line)) continue;
    const { row, result, reason, detail } = line;
    if (rows[row]) throw new Error(`the client's program has told twice of the row ${row}`);
    rows[row] = {
      result,
      ...(reason && { reason }),
      ...(detail && { detail: detail.slice(0, DETAIL_CHARS) }),
    };
  }
  return { client, version, runtime, rows };
}
