import { z } from "zod";
import { whole } from "./field.ts";

/** How broadcasts reach their recipients. */
export const fanout = z.strictObject({
  acksPendingMax: whole(
    1_000_000,
    1,
    100_000_000,
    "Acknowledgements of broadcasts that may be awaited at once; above, a broadcast is not sent and times out.",
  ),
  unionTopicsMax: whole(
    100,
    0,
    10_000,
    "Often-used unions of rooms that may have topics of their own at once.",
  ),
});
