/** Follows the guides on pages and functions, from the packed package, each in an empty folder. */
import { describe } from "node:test";
import { authJwt } from "./auth-jwt.ts";
import { functionsPlatforms } from "./functions-platforms.ts";
import { installGuides } from "./guide.ts";
import { react } from "./react.ts";

installGuides([
  "socket.io-client@4.8.4",
  "jose@6.2.17",
  "react@19.3.1",
  "react-dom@19.3.1",
  "esbuild@0.28.2",
]);
// Two at a time: a guide mostly waits, for processes, clients and Chromium.
describe("from the packed package", { concurrency: 2 }, () => {
  authJwt();
  react();
  functionsPlatforms();
});
