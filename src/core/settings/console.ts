import * as z from "zod/mini";
import { choice, flag, integer, ms } from "./field.ts";

/** The section `console`; its sentence is in `SETTINGS`. */
export const consoleSettings = z.strictObject({
  enabled: flag(
    true,
    "Whether `/console` is served on the API port: once a key of `api.keys` has the right `console`, or tokens are set; without either only while developing, with the key in the link that the start prints.",
  ),
  historyMs: ms(900_000, 60_000, 86_400_000, "How far back the charts go, a sample a second."),
  streamsMax: integer(16, 1, 1000, "Live streams that may be open at once, over all who look."),
  watch: choice(
    ["auto", "on", "off"],
    "auto",
    "Whether the events of a socket or room can be watched; `auto`: only while developing, which the `sluice` process does without `NODE_ENV=production`.",
  ),
  watchPerSecondMax: integer(
    100,
    1,
    10_000,
    "Watched events that one stream is sent in a second; those above are counted.",
  ),
  watchArguments: choice(
    ["shown", "masked"],
    "shown",
    "Whether watched events show their arguments, or only what type and size they have.",
  ),
});
