/**
 * Draws the pictures of the pages anew: `npm run pictures`, or with `-- --test-name-pattern=Now` some
 * of them. It takes eight minutes. Look at each picture before you commit it.
 *
 * They are tests to the runner of Node.js, because what they start ends with a test.
 */
import { test } from "node:test";
import { drawShop, drawTry } from "./console.ts";
import { drawIncident } from "./incident.ts";
import { drawLoad } from "./load.ts";

test("Now, Who, Watch, Functions, Cluster", drawShop);
test("Try it", drawTry);
test("an incident", drawIncident);
test("a load in Prometheus", drawLoad);
