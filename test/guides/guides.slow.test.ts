/** Follows each guide of docs/guides from the packed package, in an empty folder. */
import { authJwt } from "./auth-jwt.ts";
import { firstHandlers } from "./first-handlers.ts";
import { functionsPlatforms } from "./functions-platforms.ts";
import { installGuides } from "./guide.ts";
import { presence } from "./presence.ts";
import { react } from "./react.ts";
import { testingHandlers } from "./testing-handlers.ts";
import { twoNodes } from "./two-nodes.ts";

installGuides();
firstHandlers();
authJwt();
react();
presence();
twoNodes();
functionsPlatforms();
testingHandlers();
