import { en } from "zod/locales";

/** Option of `safeParse` for English error messages: `zod/mini` has none of its own. */
export const ENGLISH = { error: en().localeError };
