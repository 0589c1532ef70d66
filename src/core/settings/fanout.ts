import { z } from "zod";

/** Broadcasts. */
export const fanout = z.strictObject({});
