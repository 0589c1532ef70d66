import "../zod.ts";
import * as z from "zod/mini";

/** A group of settings that may be left out, and what it is about in a sentence for the docs. */
export const section = <const T extends z.ZodMiniObject>(settings: T, sentence: string) => {
  z.globalRegistry.add(settings, { description: sentence });
  return z.prefault(settings, {} as z.input<T>); // every setting has a default
};

/** A setting: its schema, its default and a sentence for the docs. */
// biome-ignore lint/complexity/useMaxParams: a row of a table.
export const field = <const T extends z.ZodMiniType>(
  schema: T,
  byDefault: z.core.util.NoUndefined<z.output<T>>,
  sentence: string,
  about: { readonly secret?: boolean } = {},
) => {
  const setting = z._default(schema, byDefault);
  z.globalRegistry.add(setting, { description: sentence, ...about });
  return setting;
};

/** Milliseconds between `min` and `max`, both included. */
// biome-ignore lint/complexity/useMaxParams: a row of a table.
export const ms = (byDefault: number, min: number, max: number, text: string) =>
  field(z.int().check(z.gte(min), z.lte(max)), byDefault, text);

/** An integer between `min` and `max`, both included: counts and byte sizes. */
export const integer = ms;

/** One of a fixed list of words. */
export const choice = <const T extends readonly [string, ...string[]]>(
  words: T,
  byDefault: T[number],
  text: string,
) => field(z.enum(words), byDefault as never, text); // the default is one of `words` by its type

/** Yes or no. */
export const flag = (byDefault: boolean, text: string) => field(z.boolean(), byDefault, text);

const upTo = (charsMax: number) => z.string().check(z.maxLength(charsMax));

/** A text, empty when not set. */
export const text = (byDefault: string, sentence: string) => field(upTo(4096), byDefault, sentence);

/** A URL path; begins with a slash. */
export const urlPath = (byDefault: string, sentence: string) =>
  field(z.string().check(z.regex(/^\/[\w\-./]*$/)), byDefault, sentence);

/** A text that is never printed: a key, a token or a URL with a password. */
export const secret = (sentence: string) => field(upTo(16_384), "", sentence, { secret: true });

/** A list of short texts. Flags and variables separate them with commas. */
export const list = (byDefault: string[], sentence: string) =>
  field(z.array(upTo(1024)).check(z.maxLength(1000)), byDefault, sentence);

/** Like {@link list}, for values that are never printed. */
export const secrets = (sentence: string) =>
  field(z.array(upTo(16_384)).check(z.maxLength(100)), [], sentence, { secret: true });
