/** Follows the guides on handlers, from the packed package, each in an empty folder. */
import { describe } from "node:test";
import { firstHandlers } from "./first-handlers.ts";
import { installGuides } from "./guide.ts";
import { presence } from "./presence.ts";
import { testingHandlers } from "./testing-handlers.ts";
import { twoNodes } from "./two-nodes.ts";

installGuides([
  "socket.io-client@4.8.4",
  "typescript@7.0.2",
  "@types/node@20.19.43",
  "tsx@4.23.15",
  "standardwebhooks@1.1.1",
  "vitest@4.1.12", // newer ones need Node.js 22
]);
// Two at a time: a guide mostly waits, for processes and clients.
describe("from the packed package", { concurrency: 2 }, () => {
  twoNodes();
  testingHandlers();
  firstHandlers();
  presence();
});
