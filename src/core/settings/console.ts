import * as z from "zod/mini";
import { choice, flag, integer, ms } from "./field.ts";

/** The section `console`; its sentence is in `SETTINGS`. */
export const consoleSettings = z.strictObject({
  enabled: flag(
    true,
    "Whether `/console` is served on the API port. It needs a key in `api.keys` with the right `console`, or tokens for the API. Without either it is served in development only, with a key in the link that is printed at start.",
  ),
  historyMs: ms(
    900_000,
    60_000,
    86_400_000,
    "How far back the charts go, with one sample a second.",
  ),
  streamsMax: integer(16, 1, 1000, "Live streams that may be open at once, over all viewers."),
  watch: choice(
    ["auto", "on", "off"],
    "auto",
    "Whether the events of a socket or room can be watched. auto: only in development, which means the `sluice` process without `NODE_ENV=production`.",
  ),
  watchPerSecondMax: integer(
    100,
    1,
    10_000,
    "Watched events that one stream gets per second; those above are only counted.",
  ),
  watchArguments: choice(
    ["shown", "masked"],
    "shown",
    "Whether watched events show their arguments, or only the type and size of each.",
  ),
});
