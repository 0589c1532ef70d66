import assert from "node:assert/strict";
import { test } from "node:test";
import { type PartialSettings, readSettings, SettingsError } from "../../src/core/settings.ts";
import { readRoutes } from "../../src/upstream/routes.ts";

const read = (given: NonNullable<PartialSettings["upstream"]>) =>
  readRoutes(readSettings({ upstream: given }).upstream);

test("the first route that matches is called, and upstream.url answers the rest", () => {
  const routes = read({
    url: "https://rest.example/all",
    namespaces: ["/", "/team-*"],
    routes: [
      { namespace: "/", event: "chat:*", url: "https://chat.example/{event}" },
      { namespace: "/admin", event: "*", url: "https://admin.example/" },
    ],
  });
  const url = (namespace: string, event: string) => {
    const route = routes.find("event", namespace, event);
    return route && route.origin + route.path(namespace, event);
  };
  assert.equal(url("/", "chat:new"), "https://chat.example/chat%3Anew");
  assert.equal(url("/", "chat"), "https://rest.example/all");
  assert.equal(url("/admin", "x"), "https://admin.example/");
  assert.equal(url("/team-7", "x"), "https://rest.example/all");
  assert.equal(url("/other", "x"), undefined);
  assert.deepEqual(["/", "/admin", "/team-7", "/team", "/x/team-7"].map(routes.claims), [
    true,
    true,
    true,
    false,
    false,
  ]);
  assert.deepEqual(routes.namespaces.names, ["/", "/admin", "/"]);
  assert.ok(routes.namespaces.patterns[0]?.test("/team-1"));
  assert.ok(!routes.namespaces.patterns[0]?.test("/tea-1"));
});

test("connects and disconnects go by their kind, not by an event of that name", () => {
  const routes = read({
    url: "https://rest.example/",
    calls: ["event"],
    routes: [{ namespace: "/", event: "connect", url: "https://door.example/" }],
  });
  assert.equal(routes.find("connect", "/", "connect")?.origin, "https://door.example");
  assert.equal(routes.find("disconnect", "/", "disconnect"), undefined);
  assert.equal(routes.find("event", "/", "x")?.origin, "https://rest.example");
});

test("patterns match any characters between their pieces, without backtracking", () => {
  const routes = read({ routes: [{ namespace: "/", event: "a*b*c", url: "https://x.example/" }] });
  const found = (event: string) => routes.find("event", "/", event) !== undefined;
  assert.deepEqual(["abc", "a.b.c", "aXXbYYc", "abbcc"].map(found), [true, true, true, true]);
  assert.deepEqual(["ab", "ac", "abcd", "xabc", ""].map(found), [
    false,
    false,
    false,
    false,
    false,
  ]);
  assert.ok(!found(`a${"b".repeat(200_000)}`));
});

test("only https and loopback may be called unless upstream.insecure is set", () => {
  const good = ["https://a.example", "http://localhost:1", "http://127.0.0.9", "http://[::1]:9/x"];
  for (const url of good) assert.equal(read({ url }).all.length, 1, url);
  const bad = ["http://a.example", "http://127.0.0.1.evil.example", "http://10.0.0.1", "ftp://a"];
  for (const url of bad) assert.throws(() => read({ url }), SettingsError, url);
  assert.equal(read({ url: "http://10.0.0.1", insecure: true }).all.length, 1);
});

test("templates stand in the path alone, and passwords nowhere; all problems come at once", () => {
  const bad = [
    "https://{event}.example/",
    "https://a.example/?e={event}",
    "https://{namespace}/x",
    "https://user:word@a.example/",
    "no url",
  ];
  assert.throws(
    () => read({ routes: bad.map((url) => ({ namespace: "/", event: "*", url })) }),
    (error) => error instanceof SettingsError && error.problems.length === bad.length,
  );
});

// A client in the namespace /__EVENT__ chose its namespace's place in the path by an event's name: the
// marks that stand for templates were looked for again in what had been put in for the first of them.
test("a name that looks like a template's place in the path is a name", () => {
  const { path } = read({ url: "https://a.example/{namespace}/x/{event}" }).all[0] ?? {};
  assert.equal(path?.("/__EVENT__", "admin"), "/%2F__EVENT__/x/admin");
  assert.equal(path?.("/a", "__NAMESPACE__"), "/%2Fa/x/__NAMESPACE__");
});

// With upstream.namespaces=chat everybody came into /chat, and no function was asked: Socket.IO puts a
// slash before the name of a namespace, and the routes' own names were compared without one.
test("a namespace that begins with neither / nor * stops the start", () => {
  const url = "https://a.example/";
  for (const namespaces of [["chat"], ["/", ""]]) {
    assert.throws(() => read({ url, namespaces }), /upstream\.namespaces.*must begin with/);
  }
  const routes = [{ namespace: "chat", event: "*", url }];
  assert.throws(() => read({ routes }), /upstream\.routes\.0\.namespace.*must begin with/);
  assert.equal(read({ url, namespaces: ["*-chat", "/"] }).all.length, 1);
});

test("every route has a name: its own, or one of its namespace and event, never twice", () => {
  const url = "https://a.example/";
  const rows = [
    { namespace: "/", event: "*" },
    { namespace: "/chat", event: "*" },
    { namespace: "/chat", event: "message" },
    { namespace: "/Chat", event: "message" },
    { namespace: "/", event: "ünï" },
    { namespace: "/default", event: "*" },
    { namespace: "/x", event: "*", name: "chat" },
    { namespace: `/${"ongl".repeat(40)}`, event: "*" },
  ].map((row) => ({ ...row, url }));
  const routes = read({ url, routes: rows });
  assert.deepEqual(
    routes.all.map(({ name }) => name),
    [
      ...["all", "chat-2", "chat-message", "chat-message-4", "n", "default-6", "chat"],
      ...["ongl".repeat(14).slice(0, 55), "default"],
    ],
  );
  assert.equal(routes.named("chat")?.path("/x", "y"), "/");
  assert.equal(routes.named("none"), undefined);
  const twice = ["a", "a"].map((name) => ({ namespace: "/", event: "*", url, name }));
  assert.throws(() => read({ routes: twice }), /upstream\.routes\.1\.name.*of its own/);
  const reserved = [{ namespace: "/", event: "*", url, name: "default" }];
  assert.throws(() => read({ routes: reserved }), /upstream\.routes\.0\.name/);
  const odd = [{ namespace: "/", event: "*", url, name: "A b" }];
  assert.throws(() => read({ routes: odd }), /upstream\.routes\.0\.name/);
});
