/**
 * Throws an error in a turn of the event loop of its own. It is uncaught there, and what goes on
 * here, such as a loop over connections, is not ended by it.
 */
export function throwLater(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
