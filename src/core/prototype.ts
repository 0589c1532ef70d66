/**
 * Takes what old libraries put on `Object.prototype` out of `for…in` loops, and returns its names. It
 * stays where it is, for whoever calls it.
 *
 * Several libraries here loop over objects that way: zod would refuse each such name as an unknown
 * setting or argument, prom-client as an unknown label, and uWebSockets.js as a header that is no text.
 */
export function hideInherited(): string[] {
  const names = Object.keys(Object.prototype);
  for (const name of names) Reflect.defineProperty(Object.prototype, name, { enumerable: false });
  return names;
}

// Before zod is used for the first time: it looks at prototypes then.
hideInherited();
