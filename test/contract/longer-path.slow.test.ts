/** The protocols' suites again, with listeners for whose sake packets take their longer path. */
import { watchEngines } from "../harness/longer-path.ts";

watchEngines();
await import("./engine-io.test.ts");
await import("./socket-io.test.ts");
