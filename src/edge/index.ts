/**
 * The SDK for functions. It uses Web APIs only, so the same code runs on Cloudflare Workers, Deno,
 * Bun, Node.js and every other runtime with `fetch` and Web Crypto.
 *
 * @module sluice/edge
 */
export type {
  BatchAnswer,
  BatchedAnswer,
  CallHandshake,
  CallSocket,
  ConnectAnswer,
  ConnectCall,
  ConnectedCall,
  DisconnectCall,
  EventAnswer,
  EventCall,
  RoomChange,
  StateAnswer,
} from "../core/call.ts";
export type { Command, PresentSocket } from "../core/command.ts";
export {
  type Acked,
  createEmitter,
  type Emitter,
  type EmitterOptions,
  SluiceError,
} from "./emitter.ts";
export { createHandler } from "./handler.ts";
export type { EventsMap, Operator, ServerOperator } from "./operator.ts";
export type {
  AnswerIo,
  CallContext,
  CheckedEvent,
  ConnectContext,
  ConnectedContext,
  ConnectReply,
  DisconnectContext,
  EventContext,
  EventHandler,
  EventReply,
  HandlerOptions,
  Patch,
  SocketOf,
  StateReply,
} from "./options.ts";
export { Refusal } from "./refusal.ts";
export type { BadArgs, Schema } from "./schema.ts";
export { type Signed, VerifyError, type VerifyOptions, verify } from "./verify.ts";
