import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings, SettingsError } from "../../src/core/settings.ts";
import { gatherSettings } from "../../src/core/sources.ts";

const gather = (env: Record<string, string>) => gatherSettings({ flags: new Map(), env, file: {} });

test("variables that Kubernetes sets for a Service named sluice are not settings", () => {
  // Seen: a pod beside a Service named sluice exited with 78. Kubernetes describes every Service
  // of a namespace to its pods in variables, and each was taken for a mistyped setting.
  const links = {
    SLUICE_SERVICE_HOST: "10.96.0.7",
    SLUICE_SERVICE_PORT: "3000",
    SLUICE_SERVICE_PORT_SOCKET: "3000",
    SLUICE_PORT: "tcp://10.96.0.7:3000",
    SLUICE_PORT_3000_TCP: "tcp://10.96.0.7:3000",
    SLUICE_PORT_3000_TCP_PROTO: "tcp",
    SLUICE_PORT_3000_TCP_PORT: "3000",
    SLUICE_PORT_3000_TCP_ADDR: "10.96.0.7",
    // A Service named sluice-api: its port as an address has the name of a setting.
    SLUICE_API_PORT: "tcp://10.96.0.8:9100",
  };
  const settings = readSettings(gather({ ...links, SLUICE_SOCKET_DRAIN_MS: "7" }));
  assert.deepEqual([settings.socket.drainMs, settings.api.port], [7, 0]);
});

test("a port that is no such address is a setting, or a mistake", () => {
  assert.deepEqual(gather({ SLUICE_API_PORT: "9100" }), { api: { port: 9100 } });
  for (const name of ["SLUICE_PORT", "SLUICE_SERVICE", "SLUICE_SOCKET_PORTS"]) {
    assert.throws(() => gather({ [name]: "3000" }), SettingsError);
  }
});

test("the variables of functions may stand beside the gateway's settings", () => {
  // Seen: the shell in which a function's variables were exported could not start the gateway.
  const own = { SLUICE_URL: "http://127.0.0.1:3000", SLUICE_KEY: "k", SLUICE_SECRET: "s" };
  assert.deepEqual(gather({ ...own, SLUICE_API_PORT: "9100" }), { api: { port: 9100 } });
});

test("what cannot be read, what is unknown and what is out of bounds are told at once", () => {
  // Seen: the last of them only at the next start. Bounds were looked at once all could be read.
  const sources = {
    flags: new Map([["socket.bufferBytesMax", "1"]]),
    env: { SLUICE_SOCKET_PORT: "abc", SLUICE_SOCKET_HOOST: "x" },
    file: { codec: { accept: "xml" } },
  };
  assert.throws(
    () => gatherSettings(sources),
    ({ problems }: SettingsError) => {
      assert.deepEqual(
        problems.map(({ path }) => path),
        [
          "socket.port (from SLUICE_SOCKET_PORT)",
          "SLUICE_SOCKET_HOOST",
          "socket.bufferBytesMax",
          "codec.accept",
        ],
      );
      return true;
    },
  );
});
