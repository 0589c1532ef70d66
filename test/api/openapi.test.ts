import assert from "node:assert/strict";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { Ajv2020 } from "ajv/dist/2020.js";
import { KIND_FAILURES, listRoutes } from "../../src/api/routes.ts";
import { CALL_TYPES } from "../../src/core/call.ts";
import { createCallSchemas } from "../../src/core/call-schemas.ts";
import { COMMAND_NAMES, readCommand } from "../../src/core/commands.ts";
import { FAILURES, type FailureCode } from "../../src/core/failures.ts";
import { startApi } from "../harness/api.ts";
import { misfit, SCHEMAS } from "../harness/schemas.ts";
import { until } from "../harness/wait.ts";
import { openTcp } from "../harness/wire-tcp.ts";

interface Operation {
  readonly operationId: string;
  readonly security?: unknown;
  readonly responses: Record<string, { readonly content?: Record<string, unknown> }>;
}
interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly webhooks: Record<string, unknown>;
  readonly components: { readonly schemas: Record<string, object> };
}

/** The document as a client gets it. */
async function fetchDocument(): Promise<{ document: Document }> {
  const api = await startApi({}, { metricsPath: "/prometheus" });
  const answer = await fetch(`${api.on.url}/v1/openapi.json`);
  assert.equal(answer.headers.get("content-type"), "application/json");
  return { document: (await answer.json()) as Document };
}

test("a connection gets one document, however many it asks for at once", async (t) => {
  // Seen: 1.5 GB kept for 50 clients without a key that asked 500 times each and read nothing.
  // uWebSockets.js goes on to the next request while an answer is still unsent.
  const api = await startApi();
  const raw = await openTcp(api.on.port);
  t.after(() => raw.socket.destroy());
  raw.write("GET /v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
  await until(() => raw.isEnded, "the end of the connection");
  assert.equal(raw.unread.split("HTTP/1.1 200 OK").length - 1, 1);
});

test("the document is valid OpenAPI 3.1", async () => {
  const { document } = await fetchDocument();
  const validator = new Validator();
  const { valid, errors } = await validator.validate({ ...structuredClone(document) });
  assert.deepEqual([valid, errors], [true, undefined]);
  assert.equal(validator.version, "3.1");
  const broken = { ...document, paths: { "no-slash": { get: {} } } };
  assert.equal((await new Validator().validate(broken)).valid, false);
});

test("every route that is served is in the document and every one in it is served", async () => {
  const served: string[] = [];
  await startApi(
    {},
    { metricsPath: "/prometheus", route: (method, path) => void served.push(`${method} ${path}`) },
  );
  const { document } = await fetchDocument();
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(described.sort(), served.sort());
  assert.ok(served.includes("GET /prometheus"));
  const ids = Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map((operation) => operation.operationId),
  );
  assert.equal(new Set(ids).size, ids.length);
});

test("every failure a route may answer with is in its responses, and every API failure in some", async () => {
  const { document } = await fetchDocument();
  const described = new Set<string>();
  for (const row of listRoutes("/prometheus")) {
    const operation = document.paths[row.path]?.[row.method.toLowerCase()];
    assert.ok(operation, row.path);
    assert.ok(operation.responses["200"]);
    const text = JSON.stringify(operation.responses);
    for (const code of [...KIND_FAILURES[row.kind], ...row.failures]) {
      const response = operation.responses[FAILURES[code].status];
      assert.ok(JSON.stringify(response).includes(`"${code}"`), `${row.path} ${code}`);
      described.add(code);
    }
    for (const [, code] of text.matchAll(/"((?:API|COMMANDS)_[A-Z_]+)"/g)) {
      assert.ok(code && code in FAILURES, code);
    }
    assert.equal(operation.security !== undefined, row.kind !== "page", row.path);
  }
  const ours = Object.keys(FAILURES).filter((code) => /^(API|COMMANDS)_/.test(code));
  // What is answered where there is no route cannot be one of a route's responses.
  assert.deepEqual(
    ours.filter((code) => !described.has(code)),
    ["API_NOT_FOUND"],
  );
});

test("the document's schemas say of a command what the gateway says", async () => {
  const { document } = await fetchDocument();
  const ajv = new Ajv2020({ strict: false });
  const validate = ajv.compile({
    $ref: "#/components/schemas/Command",
    components: document.components,
  });
  const cases: [object, boolean][] = [
    [{ do: "emit", event: "x" }, true],
    [{ do: "emit", event: "x", to: ["a"], except: ["b"], args: [{}], volatile: true }, true],
    [{ do: "emitWithAck", event: "x", timeoutMs: 60_000 }, true],
    [{ do: "emitWithAck", event: "x", timeoutMs: 60_001 }, false],
    [{ do: "emit", event: "" }, false],
    [{ do: "emit" }, false],
    [{ do: "emit", event: "x", room: "a" }, false],
    [{ do: "emit", event: "x", namespace: "chat" }, false],
    [{ do: "socketsJoin", rooms: [] }, true],
    [{ do: "socketsJoin", rooms: ["a"], in: ["b"] }, true],
    [{ do: "fetchSockets", limit: 10_001 }, false],
    [{ do: "disconnectSockets", close: true }, true],
    [{ do: "emit", event: "x", afterMs: 5, key: "k" }, true],
    [{ do: "emit", event: "x", key: "k" }, false],
    [{ do: "disconnectSockets", key: "k" }, false],
    [{ do: "cancel", key: "k" }, true],
    [{ do: "cancel" }, false],
    [{ do: "fly" }, false],
  ];
  for (const [command, good] of cases) {
    assert.equal(validate(command), good, JSON.stringify(command));
    const read = () => readCommand(structuredClone(command));
    if (good) assert.ok(read());
    else assert.throws(read);
  }
});

test("every example in the document fits its schema, and every command and body has one", () => {
  const bare: string[] = [];
  for (const { name, examples } of SCHEMAS) {
    if (examples.length === 0) bare.push(name);
    for (const example of examples) assert.equal(misfit(name, example), undefined, name);
  }
  const wanted = [...COMMAND_NAMES, ...Object.keys(createCallSchemas()), "Replay"];
  // Parts of others, which are seen in theirs.
  const parts = ["CallHandshake", "CallSocket", "RoomChange", "Tell"];
  assert.deepEqual(wanted.filter((name) => bare.includes(name)).sort(), parts);
});

test("every kind of call is a webhook of the document, and so are batches", async () => {
  const { document } = await fetchDocument();
  assert.deepEqual(
    Object.keys(document.webhooks).sort(),
    [...Object.keys(CALL_TYPES), "batch"].sort(),
  );
});

test("every reference in the document leads somewhere", async () => {
  const { document } = await fetchDocument();
  for (const [, path = ""] of JSON.stringify(document).matchAll(/"#\/([^"]+)"/g)) {
    let found: unknown = document;
    for (const key of path.split("/"))
      found = (found as Record<string, unknown> | undefined)?.[key];
    assert.ok(found, path);
  }
});

test("an answered problem has the shape the document gives it", async () => {
  const { document } = await fetchDocument();
  const ajv = new Ajv2020({ strict: false });
  const validate = ajv.compile({
    $ref: "#/components/schemas/Problem",
    components: document.components,
  });
  const api = await startApi();
  const codes = new Set<FailureCode>();
  for (const [path, body] of [
    ["/v1/emit", { event: 5 }],
    ["/v1/commands", "{"],
    ["/v1/nothing", {}],
    ["/v1/rooms", {}],
  ] as const) {
    const problem = (await (await api.post(path, body)).json()) as { code: FailureCode };
    assert.ok(validate(problem), JSON.stringify(problem));
    codes.add(problem.code);
  }
  assert.equal(codes.size, 4);
});
