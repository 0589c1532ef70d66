/** The model of fan-out again, with listeners for whose sake packets take their longer path. */
import { watchEngines } from "../harness/longer-path.ts";

watchEngines();
await import("./property.test.ts");
await import("./shapes.test.ts");
