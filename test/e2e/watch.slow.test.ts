/** `npm run dev`, as a person has it in a terminal. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findFreePort } from "../harness/free-port.ts";
import { newClient } from "../harness/gateway.ts";
import { startInTerminal, testFolder } from "../harness/process.ts";
import { next, until } from "../harness/wait.ts";

const CTRL_C = "\u0003";

test("npm run dev restarts when a file of the handler module changes, and its clients come back", async (t) => {
  const folder = testFolder(t);
  const write = (word: string) =>
    writeFileSync(join(folder, "word.ts"), `export const word = "${word}";`);
  write("before");
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  writeFileSync(
    join(folder, "app.ts"),
    `import { word } from "./word.ts";
    export default (io: { on: Function }) =>
      io.on("connection", (socket: { emit: Function }) => socket.emit("word", word));`,
  );
  const port = String(await findFreePort());
  const flags = ["--socket.host", "127.0.0.1", "--socket.port", port];
  const module = ["--handlers.module", join(folder, "app.ts")];
  const run = startInTerminal(t, ["npm", "run", "dev", "--", ...flags, ...module], {
    NO_COLOR: "1",
  });
  await run.said("listening on port", 60_000);
  const client = newClient(`http://127.0.0.1:${port}`, {
    ...{ reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 200 },
  });
  t.after(() => client.disconnect());
  const first = next(client, "word");
  client.connect();
  assert.deepEqual(await first, ["before"]);
  const words: unknown[] = [];
  client.on("word", (word) => void words.push(word));
  write("after");
  await until(() => words.includes("after"), "the changed handler", 60_000);
  // Lines for people, a drain that nobody waits for, and a console that is open.
  assert.match(run.output(), /info {3}gateway: stopping, 1 client.* drainMs=0/);
  assert.match(run.output(), /console: the console is at http:/);
  run.type(CTRL_C);
  await run.exit();
  assert.equal(run.output().match(/gateway: stopped/g)?.length, 2);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`));
});
