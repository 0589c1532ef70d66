/**
 * Takes what old libraries have put on `Object.prototype` out of `for…in` loops. It stays where it
 * is, for whoever calls it. What is put there after this call is listed by loops again.
 *
 * Libraries here loop over objects that way: zod would refuse each such name as an unknown setting
 * or argument, prom-client as an unknown label.
 */
export function hideInherited(): void {
  for (const name of Object.keys(Object.prototype)) {
    Reflect.defineProperty(Object.prototype, name, { enumerable: false });
  }
}

// Before zod is used for the first time: it looks at prototypes then.
hideInherited();
