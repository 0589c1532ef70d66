import { EventEmitter } from "node:events";

function None(): void {}
// The methods of EventEmitter make what its constructor would when the first listener comes, as
// they do for those who mix them into objects of their own. Most of ours never have a listener.
None.prototype = EventEmitter.prototype;

/** An EventEmitter that costs nothing before it has a listener. */
// Constructs what has its prototype.
export const LazyEmitter = None as unknown as new () => EventEmitter;
