/** The model of fan-out again, with listeners for whose sake packets take their longer path. */
import { watchEngines } from "../harness/longer-path.ts";

watchEngines();
// Fewer histories: the plan of a broadcast is the same on both paths.
delete process.env.DEEP;
process.env.TIMES ??= "2";
await import("./property.test.ts");
await import("./shapes.test.ts");
