import { describe, test } from "node:test";
import { RUNTIMES, startFunction } from "../harness/function-process.ts";
import { liveThrough, startChat } from "./chat.ts";

for (const runtime of RUNTIMES) {
  describe(`a chat backend in ${runtime}`, () => {
    test("answers a real client's whole life", { timeout: 60_000 }, async (t) => {
      await liveThrough(await startChat(t, (env) => startFunction(t, runtime, env)));
    });
  });
}
