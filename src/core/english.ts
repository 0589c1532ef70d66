import { en } from "zod/locales";

/** Given to `safeParse`, it has zod say what is wrong in words: `zod/mini` knows none by itself. */
export const ENGLISH = { error: en().localeError };
