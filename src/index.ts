/**
 * Sluice, embedded: start a gateway in your own process.
 *
 * @module sluice
 */
export { CLOSES, type CloseReason } from "./core/closes.ts";
export { FAILURES, type FailureCode, FailureError } from "./core/failures.ts";
export type { Log, LogFields, LogLevel } from "./core/log.ts";
export { type PartialSettings, type Settings, SettingsError } from "./core/settings-shape.ts";
export { type Gateway, type GatewayNeeds, startGateway } from "./gateway/gateway.ts";
export type { EventsMap, HandlerModule } from "./handlers/typed.ts";
export type { FetchHandler, FetchInfo } from "./http/fetch.ts";
export type { NodeHandler } from "./http/node.ts";
