import { loadNative, type Native } from "../../src/host/native.ts";

/**
 * Returns the uWebSockets.js that the gateway would load here, so that all subjects stand on it.
 */
export function loadUws(): { uws: Native; version: string } {
  const { uws, version, binary } = loadNative();
  return { uws, version: `${version} (${binary} binary)` };
}
