/** Frameworks that people have run beside Socket.IO, as they are. */
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import express, { type ErrorRequestHandler } from "express";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { testGateway } from "../harness/gateway.ts";
import { ask } from "../harness/http.ts";

const post = (url: string) =>
  ask(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "Zoë" }),
  });

test("Express 5: JSON, cookies, server-sent events, and its own page for an error", async (t) => {
  const app = express();
  app.set("trust proxy", false);
  app.use(express.json());
  app.post("/users", (req, res) => {
    res.cookie("a", "1").cookie("b", "2", { httpOnly: true });
    res.status(201).json({ ...req.body, ip: req.ip, protocol: req.protocol });
  });
  app.get("/events", (_req, res) => {
    res.type("text/event-stream");
    res.flushHeaders();
    res.write("data: 1\n\n");
    setImmediate(() => res.end("data: 2\n\n"));
  });
  app.get("/fails", async () => {
    throw new Error("made by a test");
  });
  const failed: ErrorRequestHandler = (error, _req, res, _next) =>
    void res.status(418).send(`so sorry: ${error.message}`);
  app.use(failed);
  const { url } = await testGateway(t, {}, { http: app });
  const made = await post(`${url}/users`);
  assert.equal(made.status, 201);
  assert.deepEqual(JSON.parse(made.body), { name: "Zoë", ip: "127.0.0.1", protocol: "http" });
  assert.deepEqual(made.headers["set-cookie"], ["a=1; Path=/", "b=2; Path=/; HttpOnly"]);
  assert.equal((await ask(`${url}/events`)).body, "data: 1\n\ndata: 2\n\n");
  const fails = await ask(`${url}/fails`);
  assert.deepEqual([fails.status, fails.body], [418, "so sorry: made by a test"]);
  assert.match((await ask(`${url}/none`)).body, /Cannot GET \/none/);
});

test("Hono: JSON, server-sent events, and its own pages", async (t) => {
  const app = new Hono();
  app.post("/users", async (c) => c.json(await c.req.json(), 201));
  app.get("/events", (c) =>
    streamSSE(c, async (stream) => {
      for (const data of ["1", "2"]) await stream.writeSSE({ data, event: "n" });
    }),
  );
  const { url } = await testGateway(t, {}, { fetch: (request) => app.fetch(request) });
  const made = await post(`${url}/users`);
  assert.deepEqual([made.status, made.body], [201, '{"name":"Zoë"}']);
  const events = await fetch(`${url}/events`);
  assert.equal(events.headers.get("content-type"), "text/event-stream");
  const all = "event: n\ndata: 1\n\nevent: n\ndata: 2\n\n";
  assert.equal(await text(events.body as never), all);
  assert.equal((await ask(`${url}/none`)).body, "404 Not Found");
});
