import assert from "node:assert/strict";
import { test } from "node:test";
import type * as z from "zod/mini";
import type * as calls from "../../src/core/call.ts";
import { CALL_TYPES } from "../../src/core/call.ts";
import { type CallSchemas, createCallSchemas } from "../../src/core/call-schemas.ts";
import type { Command } from "../../src/core/command.ts";

/** A type with its members written out: none null or changeable, and commands by their names. */
type Plain<T> = T extends { readonly do: infer Name }
  ? Name
  : T extends readonly (infer One)[]
    ? readonly Plain<One>[]
    : T extends object
      ? { readonly [Key in keyof T]: Plain<Exclude<T[Key], null | undefined>> }
      : T;

/** Whether two types are one and the same, optional members included. */
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** A type of an answer with the commands that an answer may carry: the others have one of theirs. */
type Told<Answer> = {
  readonly [Key in keyof Answer]: Key extends "commands"
    ? readonly Tell[] | undefined
    : Answer[Key];
};
type Tell = Exclude<Command, { readonly do: "emitWithAck" | "fetchSockets" }>;

/** Whether the schema of that name says what the type says. */
type Agrees<Name extends keyof CallSchemas, Type> = Same<
  Plain<z.input<CallSchemas[Name]>>,
  Plain<Type>
>;
type Batched = NonNullable<z.input<CallSchemas["BatchAnswer"]>["answers"]>[number];

// The compiler is the test: what does not agree does not compile.
const AGREED: {
  readonly CallSocket: Agrees<"CallSocket", calls.CallSocket>;
  readonly CallHandshake: Agrees<"CallHandshake", calls.CallHandshake>;
  readonly RoomChange: Agrees<"RoomChange", calls.RoomChange>;
  readonly Tell: Agrees<"Tell", Tell>;
  readonly ConnectCall: Agrees<"ConnectCall", calls.ConnectCall>;
  readonly ConnectedCall: Agrees<"ConnectedCall", calls.ConnectedCall>;
  readonly EventCall: Agrees<"EventCall", calls.EventCall>;
  readonly DisconnectCall: Agrees<"DisconnectCall", calls.DisconnectCall>;
  readonly ConnectAnswer: Agrees<"ConnectAnswer", Told<calls.ConnectAnswer>>;
  readonly EventAnswer: Agrees<"EventAnswer", Told<calls.EventAnswer>>;
  readonly BatchAnswer: Same<Plain<Batched>, Plain<Told<calls.BatchedAnswer>>>;
  readonly Refusal: Agrees<"Refusal", calls.Refusal>;
} = {
  CallSocket: true,
  CallHandshake: true,
  RoomChange: true,
  Tell: true,
  ConnectCall: true,
  ConnectedCall: true,
  EventCall: true,
  DisconnectCall: true,
  ConnectAnswer: true,
  EventAnswer: true,
  BatchAnswer: true,
  Refusal: true,
};

test("there is a schema for each type of a body, and each kind of call has one", () => {
  const names = Object.keys(createCallSchemas()).filter((name) => name !== "BatchCall");
  assert.deepEqual(names.sort(), Object.keys(AGREED).sort());
  for (const kind of Object.keys(CALL_TYPES)) {
    assert.ok(`${kind.charAt(0).toUpperCase()}${kind.slice(1)}Call` in createCallSchemas(), kind);
  }
});
