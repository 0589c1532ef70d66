import { CLIENTS } from "../test/clients/clients.ts";
import { readResults } from "../test/clients/results.ts";
import { type ClientReport, REFUSAL, ROWS, type RowName } from "../test/clients/rows.ts";
import { code, page, table } from "./markdown.ts";

/** Rows that share a column. */
const COLUMNS: Readonly<Record<string, readonly RowName[]>> = {
  Transports: ["websocket", "polling", "upgrade"],
  Auth: ["auth"],
  Acks: ["ack-to-server", "ack-to-client"],
  Binary: ["binary-to-server", "binary-to-client", "binary-polling"],
  Rooms: ["rooms", "rooms-binary"],
  Namespaces: ["namespace", "namespace-refused"],
  Disconnects: ["server-disconnect", "client-disconnect"],
  Reconnects: ["reconnect-after-close", "reconnect-after-cut"],
};

/** Rows whose results have a reason. */
const ENDS: readonly RowName[] = [...(COLUMNS.Disconnects ?? []), ...(COLUMNS.Reconnects ?? [])];

/** Returns the page of clients: which of them do what, with the versions that were tried. */
export function clientsPage(): string {
  const recorded = readResults();
  const results = Object.keys(CLIENTS).flatMap((name) => {
    const report = recorded[name];
    return report ? [[name, report] as const] : [];
  });
  const spoken = results.filter(([name]) => !isRefused(name));
  return page(
    "Clients",
    "These Socket.IO clients are tested with Sluice. For each of them, a real program connects to a " +
      "real gateway and does everything in the list below. The suite runs in CI, and fails if a " +
      "result changes.",
    table(
      ["Client", "Version", "Tested on", ...Object.keys(COLUMNS)],
      spoken.map(([name, report]) => [
        titleOf(name),
        report.version,
        report.runtime,
        ...Object.values(COLUMNS).map((rows) => summarize(report, rows)),
      ]),
    ),
    "*yes*: all rows of this column work. *no …*: the client has no public function for this row.",
    listLacks(),
    "## What each row does",
    table(
      ["Column", "Row", "The client …"],
      Object.entries(COLUMNS).flatMap(([column, rows]) =>
        rows.map((row) => [column, code(row), ROWS[row]]),
      ),
    ),
    "The gateway checks a JSON Web Token in every row. The other client in the room is " +
      "socket.io-client 4.8 with the msgpack parser, over WebSocket.",
    "## What a client says when the connection ends",
    "Each client has its own words. This is what an application hears over WebSocket.",
    table(
      ["Client", ...ENDS.map(code)],
      spoken.map(([name, { rows }]) => [
        titleOf(name),
        ...ENDS.map((row) => (rows[row]?.reason ? code(rows[row].reason) : "–")),
      ]),
    ),
    "## Clients of Socket.IO 2",
    refusals(results),
    "With the setting, it does everything in the table. It has no `auth` option: send the token as " +
      "`query: { token }`, and set `auth.tokenFrom` to `auth,query`. A refused client gets the event " +
      "`error` with the data, not `connect_error`. Send bytes as a `Buffer` in Node.js.",
    "## Bytes and the msgpack parser of JavaScript",
    "With `socket.io-msgpack-parser`, and with `socket.io.msgpack.min.js`, send bytes as a `Buffer` " +
      "in Node.js, and as an `ArrayBuffer` in browsers. The parser writes a `Uint8Array` as an object.",
    "## Run it yourself",
    "`npm run clients` runs all clients, `npm run clients -- python` those whose names begin with " +
      "`python`. `npm run clients -- --help` lists the options. Clients whose tools are not installed " +
      "are skipped. [test/clients/README.md](../test/clients/README.md) says how to add a client.",
  );
}

const isRefused = (name: string) => CLIENTS[name]?.rows?.includes(REFUSAL) === true;

const titleOf = (name: string) => CLIENTS[name]?.title ?? name;

function summarize({ rows }: ClientReport, wanted: readonly RowName[]): string {
  const lacking = wanted.filter((row) => rows[row]?.result === "not offered");
  const failing = wanted.filter((row) => rows[row]?.result === "fails");
  const parts: string[] = [];
  if (lacking.length > 0) parts.push(`no ${lacking.map(code).join(", ")}`);
  if (failing.length > 0) parts.push(`fails ${failing.map(code).join(", ")}`);
  return parts.join("; ") || "yes";
}

function listLacks(): string {
  const lines = Object.values(CLIENTS).flatMap(({ title, lacks, faults }) =>
    Object.entries({ ...lacks, ...faults }).map(([row, why]) => `- ${title}, ${code(row)}: ${why}`),
  );
  return lines.length === 0 ? "Every client does everything." : lines.join("\n");
}

function refusals(results: readonly (readonly [string, ClientReport])[]): string {
  const lines = results
    .filter(([name]) => isRefused(name))
    .map(
      ([name, { version, rows }]) =>
        `${titleOf(name)} (tested: ${version}) is refused unless \`socket.allowEio3\` is set, because ` +
        "it speaks version 3 of the Engine.IO protocol. Each of its requests is answered with " +
        'status 400 and `{"code":5,"message":"Unsupported protocol version"}`. ' +
        `Its application gets \`connect_error\` (${rows[REFUSAL]?.reason}).`,
    );
  return lines.join("\n\n");
}
