import { z } from "zod";

/** Milliseconds between `min` and `max`, both included. */
export const ms = (byDefault: number, min: number, max: number, text: string) =>
  z.number().int().min(min).max(max).default(byDefault).describe(text);

/** A whole number between `min` and `max`, both included: counts and byte sizes. */
export const whole = ms;

/** One of a closed list of words. */
export const choice = <const T extends readonly [string, ...string[]]>(
  words: T,
  byDefault: T[number],
  text: string,
) =>
  z
    .enum(words)
    .default(byDefault as never)
    .describe(text); // the default is one of `words` by its type

/** Yes or no. */
export const flag = (byDefault: boolean, text: string) =>
  z.boolean().default(byDefault).describe(text);

/** A text, empty when not set. */
export const text = (byDefault: string, sentence: string) =>
  z.string().max(4096).default(byDefault).describe(sentence);

/** A text that is never printed: keys, tokens, URLs with passwords. */
export const secret = (sentence: string) =>
  z.string().max(16_384).default("").meta({ description: sentence, secret: true });

/** A list of short texts; on the command line and in the environment separated by commas. */
export const list = (byDefault: string[], sentence: string) =>
  z.array(z.string().max(1024)).max(1000).default(byDefault).describe(sentence);

/** The same as {@link list} for values that are never printed. */
export const secrets = (sentence: string) =>
  z
    .array(z.string().max(16_384))
    .max(100)
    .default([])
    .meta({ description: sentence, secret: true });
