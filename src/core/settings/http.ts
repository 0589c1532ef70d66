import * as z from "zod/mini";
import { integer, ms } from "./field.ts";

/** The section `http`; its sentence is in `SETTINGS`. */
export const http = z.strictObject({
  bodyBytesMax: integer(10_485_760, 0, 1_073_741_824, "Largest request body in bytes."),
  bodyMs: ms(
    60_000,
    100,
    3_600_000,
    "How long a request body may take to arrive, with the time that the handler takes to read it.",
  ),
  answerMs: ms(
    60_000,
    100,
    3_600_000,
    "How long the handler may take until its response begins; a response that is streamed may last longer.",
  ),
  requestsMax: integer(
    10_000,
    1,
    1_000_000,
    "Requests that may be open at once; above, further ones get 503.",
  ),
});
