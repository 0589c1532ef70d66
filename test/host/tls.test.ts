import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { io, type Socket } from "socket.io-client";
import type { Log } from "../../src/core/log.ts";
import { startGateway } from "../../src/gateway/gateway.ts";
import { createServerNames } from "../../src/host/server-names.ts";
import { type CertificateFiles, createCertificates } from "../harness/certificates.ts";
import { testGateway } from "../harness/gateway.ts";
import { SLUICE, startProcess } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

async function open(t: TestContext, tls: CertificateFiles & { passphrase?: string }) {
  const lines: string[] = [];
  const log: Log = (level, _fields, text) => lines.push(`${level} ${text}`);
  const gateway = await testGateway(t, { socket: { tls } }, { log });
  const sockets: TLSSocket[] = [];
  t.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  async function dial(servername: string): Promise<TLSSocket> {
    const to = { port: gateway.port, host: "127.0.0.1", servername, rejectUnauthorized: false };
    const socket = connect(to);
    sockets.push(socket);
    await next(socket, "secureConnect");
    return socket;
  }
  return {
    gateway,
    lines,
    dial,
    /** The common name of the certificate that a client of this server name is shown. */
    async shown(servername: string): Promise<string> {
      const socket = await dial(servername);
      const name = String(socket.getPeerCertificate().subject.CN);
      socket.destroy();
      return name;
    },
    client(transports: ("polling" | "websocket")[]): Socket {
      const made = io(gateway.url.replace("127.0.0.1", "localhost"), {
        transports,
        rejectUnauthorized: false,
        reconnection: false,
        forceNew: true,
        autoConnect: false,
      });
      t.after(() => void made.disconnect());
      return made;
    },
  };
}

async function get(socket: TLSSocket, path: string): Promise<string> {
  let text = "";
  const hear = (part: Buffer) => {
    text += part.toString();
  };
  socket.on("data", hear);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await until(() => text.includes("\r\n\r\n"), `an answer to ${path}`);
  socket.off("data", hear);
  return text.split("\r\n")[0] ?? "";
}

function swap(from: CertificateFiles, to: CertificateFiles): void {
  copyFileSync(from.certFile, to.certFile);
  copyFileSync(from.keyFile, to.keyFile);
}

test("with a certificate the port speaks TLS, polling and WebSocket, and says so to handlers", async (t) => {
  const certificates = createCertificates(t);
  const files = certificates.make("first", ["localhost"], "open sesame");
  const { gateway, client } = await open(t, { ...files, passphrase: "open sesame" });
  assert.match(gateway.url, /^https:/);
  const secure: boolean[] = [];
  gateway.io.on("connection", (socket) => secure.push(socket.handshake.secure));
  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]] as const) {
    await next(client([...transports]).connect(), "connect");
  }
  assert.deepEqual(secure, [true, true, true]);
});

test("a client that speaks nothing newer than TLS 1.1 is turned away, one with 1.2 is not", async (t) => {
  const { gateway } = await open(t, createCertificates(t).make("first", ["localhost"]));
  const dial = async (version: "TLSv1.1" | "TLSv1.2" | "TLSv1.3") => {
    const socket = connect({
      port: gateway.port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      minVersion: "TLSv1.1",
      maxVersion: version,
      // OpenSSL itself would refuse to speak 1.1 at its usual level.
      ciphers: "DEFAULT@SECLEVEL=0",
    });
    t.after(() => socket.destroy());
    return new Promise((resolve) => {
      socket.once("error", (error) => resolve(error.message));
      socket.once("secureConnect", () => resolve(socket.getProtocol()));
    });
  };
  assert.match(String(await dial("TLSv1.1")), /alert|version|disconnected/i);
  assert.equal(await dial("TLSv1.2"), "TLSv1.2");
  assert.equal(await dial("TLSv1.3"), "TLSv1.3");
});

test("a reload shows the new certificate to new connections and drops no open one", async (t) => {
  const certificates = createCertificates(t);
  const hosts = ["localhost", "chat.example", "127.0.0.1"];
  const live = certificates.make("live", hosts);
  const { gateway, shown, dial, client, lines } = await open(t, live);
  gateway.io.on("connection", (socket) => {
    void socket.join("all");
    socket.on("say", (word, done) => {
      gateway.io.to("all").emit("said", word);
      done();
    });
  });
  const before = client(["websocket"]);
  const polling = client(["polling"]);
  await next(before.connect(), "connect");
  await next(polling.connect(), "connect");
  const kept = await dial("chat.example");
  assert.equal(await get(kept, "/healthz"), "HTTP/1.1 200 OK");

  // chat.example has two labels, so four certificates can follow the first.
  for (let i = 1; i <= 4; i++) {
    swap(certificates.make(`renewed ${i}`, hosts), live);
    gateway.reload();
    assert.equal(await shown("chat.example"), `renewed ${i}`);
    assert.equal(await get(kept, "/healthz"), "HTTP/1.1 200 OK", "an open connection goes on");
  }
  assert.equal(await shown("localhost"), "renewed 2", "one label: two certificates");
  assert.equal(await shown(""), "live", "without a server name the first certificate stays");
  assert.ok(lines.some((line) => line.startsWith("warn restart to serve")));

  const after = client(["websocket"]);
  const afterPolling = client(["polling"]);
  await next(after.connect(), "connect");
  await next(afterPolling.connect(), "connect");
  const all = [before, polling, after, afterPolling];
  const heard = Promise.all(all.map((one) => next<[string]>(one, "said")));
  await after.emitWithAck("say", "hello");
  assert.deepEqual((await heard).flat(), Array(4).fill("hello"), "rooms span old and new");
});

test("a reload with unusable or unchanged files changes nothing and is said", async (t) => {
  const certificates = createCertificates(t);
  const live = certificates.make("live", ["localhost"]);
  const { gateway, shown, lines } = await open(t, live);
  gateway.reload();
  assert.ok(lines.includes("info the certificate has not changed"));
  writeFileSync(live.certFile, "nonsense");
  gateway.reload();
  const other = certificates.make("other", ["localhost"]);
  copyFileSync(other.certFile, live.certFile); // a certificate without its key
  gateway.reload();
  assert.equal(lines.filter((line) => line.startsWith("error the certificate stays")).length, 2);
  assert.equal(await shown("localhost"), "live");
  copyFileSync(other.keyFile, live.keyFile);
  gateway.reload();
  assert.equal(await shown("localhost"), "other");
});

test("files that cannot be used stop the start with a sentence, not the process", async (t) => {
  const certificates = createCertificates(t);
  const [a, b] = [certificates.make("a", ["a"]), certificates.make("b", ["b"], "secret words")];
  const missing = `${a.certFile}.missing`;
  // Seen: `socket.tls = ["a.pem","b.pem"]: not usable: ENOENT …, lstat '/etc'`: which of the two?
  const bad: [tls: object, says: RegExp][] = [
    [{ certFile: a.certFile, keyFile: "" }, /socket\.tls\.keyFile = "": must be set too/],
    [{ certFile: "", keyFile: a.keyFile }, /socket\.tls\.certFile = "": must be set too/],
    [{ certFile: missing, keyFile: a.keyFile }, /socket\.tls\.certFile = ".*": there is no file/],
    [{ certFile: a.keyFile, keyFile: a.keyFile }, /certFile = ".*": holds no certificate in PEM/],
    [{ certFile: a.certFile, keyFile: a.certFile }, /keyFile = ".*": holds no private key in PEM/],
    [
      { certFile: a.certFile, keyFile: b.keyFile, passphrase: "secret words" },
      /socket\.tls\.keyFile = ".*": is not the key of the certificate in socket\.tls\.certFile/,
    ],
    [{ ...b, passphrase: "other words" }, /socket\.tls\.passphrase = \(secret\): does not fit/],
    [b, /socket\.tls\.passphrase = \(secret\): must be set/],
  ];
  for (const [tls, says] of bad) {
    await assert.rejects(
      startGateway({ socket: { port: 0, tls } }),
      (error: Error) => says.test(error.message) && !/words/.test(error.message),
      JSON.stringify(tls),
    );
  }
});

test("a gateway without TLS says that there is nothing to reload", async (t) => {
  const lines: string[] = [];
  const gateway = await testGateway(t, {}, { log: (_level, _fields, text) => lines.push(text) });
  gateway.reload();
  assert.ok(lines.some((line) => line.includes("no certificate to reload")));
});

test("SIGHUP renews the certificate of the real process, and a bad one does not end it", async (t) => {
  const certificates = createCertificates(t);
  const live = certificates.make("live", ["localhost"]);
  const run = startProcess(t, SLUICE, {
    PORT: "0",
    SLUICE_SOCKET_HOST: "127.0.0.1",
    SLUICE_SOCKET_TLS_CERT_FILE: live.certFile,
    SLUICE_SOCKET_TLS_KEY_FILE: live.keyFile,
  });
  const { port } = await run.line("port");
  const shown = async () => {
    const to = { port: Number(port), host: "127.0.0.1", rejectUnauthorized: false };
    const socket = connect({ ...to, servername: "localhost" });
    await next(socket, "secureConnect");
    const { CN } = socket.getPeerCertificate().subject;
    socket.destroy();
    return CN;
  };
  assert.equal(await shown(), "live");
  const renewed = certificates.make("renewed", ["localhost"]);
  writeFileSync(live.certFile, "half a file");
  run.child.kill("SIGHUP");
  await until(() => run.output().includes("the certificate stays"), "the bad one is said");
  assert.equal(await shown(), "live");
  swap(renewed, live);
  run.child.kill("SIGHUP");
  await until(async () => (await shown()) === "renewed", "the new one is shown");
});

test("each further certificate takes the next more specific pattern of its names", () => {
  const names = createServerNames();
  const steps = Array.from({ length: 5 }, () => names.next(["a.example"]));
  assert.deepEqual(
    steps.map((step) => step.patterns[0] ?? step.exhausted),
    ["*.*", "*.example", "a.*", "a.example", ["a.example"]],
  );
});

test("names of one certificate share patterns, and a wildcard name keeps its star", () => {
  const names = createServerNames();
  assert.deepEqual(names.next(["a.x", "b.x", "*.x"]), { patterns: ["*.*"], exhausted: [] });
  assert.deepEqual(names.next(["a.x", "b.x"]), { patterns: ["*.x"], exhausted: [] });
  assert.deepEqual(names.next(["a.x", "b.x"]), { patterns: ["a.*", "b.*"], exhausted: [] });
  assert.deepEqual(names.next(["*.x"]), { patterns: [], exhausted: ["*.x"] });
  assert.deepEqual(names.next(["c.x"]), { patterns: ["c.*"], exhausted: [] });
});
