import { en } from "zod/locales";

/**
 * Hides the members that old libraries have added to `Object.prototype` from `for…in` loops. They
 * can still be called. Members that are added after this call show up in loops again.
 *
 * zod and prom-client loop over objects that way: zod would refuse such a name as an unknown
 * setting or argument, prom-client as an unknown label.
 */
export function hideInherited(): void {
  for (const name of Object.keys(Object.prototype)) {
    Reflect.defineProperty(Object.prototype, name, { enumerable: false });
  }
}

// Zod looks at prototypes when it is first used, so every file that uses it imports this one.
hideInherited();

/** Option of `safeParse` for English error messages: `zod/mini` has none of its own. */
export const ENGLISH = { error: en().localeError };
