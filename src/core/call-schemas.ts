/**
 * What core/call.ts says in types, as schemas: for the OpenAPI document, and for functions that are
 * written in other languages. Functions may send members that are not here, which are ignored, and
 * so may later gateways. `null` is the same as leaving a member out.
 */
import * as z from "zod/mini";
import { ANSWER_LIMITS } from "./call.ts";
import { COMMAND_LIMITS, COMMANDS } from "./commands.ts";
import { BINARY } from "./tagged-json.ts";
import { VALUE, VALUE_REF } from "./value-schema.ts";

const about = <T extends z.ZodMiniType>(schema: T, description: string): T => {
  z.globalRegistry.add(schema, { description });
  return schema;
};
const optional = <T extends z.ZodMiniType>(schema: T, description: string) =>
  about(z.optional(schema), description);
/** A value of its own description. */
const value = (description: string) => {
  const one = z.unknown();
  z.globalRegistry.add(one, { description, $ref: VALUE_REF });
  return one;
};
/** A member of an answer: many languages write what they leave out as null. */
const maybe = <T extends z.ZodMiniType>(schema: T, description: string) =>
  about(z.optional(z.nullable(schema)), description);

const room = z.string().check(z.minLength(1), z.maxLength(COMMAND_LIMITS.roomCharsMax));
const roomList = z.array(room).check(z.maxLength(COMMAND_LIMITS.roomsMax));

/** The socket of a call, and its handshake. */
function createSockets() {
  const CallSocket = z.object({
    id: z.string(),
    namespace: z.string(),
    userId: optional(z.string(), "The user; the answer to the connect call has set it."),
    data: z.optional(
      value("`socket.data` when the call was sent. After a disconnect: as it was last."),
    ),
    version: optional(
      z.int(),
      "Grows each time an answer changes `data`. Absent before the first change.",
    ),
    rooms: optional(
      z.array(z.string()),
      "The socket's rooms, without the room of its own id. Only for routes with `rooms`.",
    ),
  });
  const CallHandshake = z.object({
    headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
    query: z.record(z.string(), VALUE),
    auth: value("The client's `auth` option."),
    address: about(z.string(), "The client's IP address, as `socket.trustProxy` finds it."),
    secure: about(z.boolean(), "Whether the connection uses TLS."),
    issued: about(z.int(), "When the connection was opened, in milliseconds since 1970."),
    recovered: about(
      z.boolean(),
      "Whether the client has resumed a lost session, with its id, rooms and data.",
    ),
  });
  return { CallSocket, CallHandshake };
}

function createCalls() {
  const { CallSocket, CallHandshake } = createSockets();
  const callMembers = {
    rooms: optional(
      z.record(z.string(), z.int()),
      "How many sockets are in each of the socket's rooms, on all nodes. Only for routes with " +
        "`presence`.",
    ),
  };
  const ConnectCall = z.object({
    socket: z.intersection(CallSocket, z.object({ handshake: CallHandshake })),
    ...callMembers,
  });
  const ConnectedCall = z.object({
    socket: CallSocket,
    ...callMembers,
    recovered: about(
      z.boolean(),
      "Whether the client has resumed a lost session, with its id, rooms and data.",
    ),
  });
  const EventCall = z.object({
    socket: CallSocket,
    ...callMembers,
    event: about(z.string(), "The event's name."),
    args: about(z.array(VALUE), "Its arguments, without the callback for the acknowledgement."),
    ack: about(z.boolean(), "Whether the client waits for an acknowledgement."),
  });
  const DisconnectCall = z.object({
    socket: CallSocket,
    ...callMembers,
    reason: about(
      z.string(),
      "The reason of Socket.IO's `disconnect` event, or `node_lost` if the socket's node died.",
    ),
  });
  return { CallSocket, CallHandshake, ConnectCall, ConnectedCall, EventCall, DisconnectCall };
}

function createBatch(EventCall: ReturnType<typeof createCalls>["EventCall"]) {
  return z.array(
    z.object({
      specversion: z.literal("1.0"),
      id: about(z.string(), "Id of the event. The answer uses it, and a retry has the same."),
      type: z.literal("io.sluice.event"),
      source: z.string(),
      subject: optional(z.string(), "The event's name, not encoded. Absent if it is empty."),
      time: z.iso.datetime(),
      datacontenttype: z.literal("application/json"),
      namespace: z.string(),
      socketid: z.string(),
      traceparent: optional(z.string(), "W3C trace context of the event."),
      tracestate: optional(z.string(), "W3C trace state."),
      data: EventCall,
    }),
  );
}

/** Commands that nobody hears more of: an answer has no answer. */
const createTell = () =>
  z.discriminatedUnion("do", [
    COMMANDS.emit,
    COMMANDS.socketsJoin,
    COMMANDS.socketsLeave,
    COMMANDS.disconnectSockets,
    COMMANDS.serverSideEmit,
    COMMANDS.cancel,
  ]);

/** What every answer may say of its socket. */
function createState() {
  /** A value that is an object, and so no bytes. */
  const members = z.record(z.string(), z.unknown());
  z.globalRegistry.add(members, {
    allOf: [{ $ref: VALUE_REF }],
    not: { required: [BINARY], maxProperties: 1 },
  });
  const RoomChange = z.object({
    join: maybe(roomList, "Rooms to join."),
    leave: maybe(roomList, "Rooms to leave first."),
  });
  const stateMembers = {
    data: maybe(
      members,
      "A merge patch (RFC 7396) of `socket.data`: `null` deletes a member. The result may have at " +
        "most `upstream.dataBytesMax`.",
    ),
    rooms: maybe(
      z.union([roomList, RoomChange]),
      "Rooms to join; or an object with rooms to leave and to join.",
    ),
  };
  return { RoomChange, stateMembers };
}

function createAnswers() {
  const Tell = createTell();
  const { RoomChange, stateMembers } = createState();
  const commands = maybe(
    z.array(Tell).check(z.maxLength(COMMAND_LIMITS.batchMax)),
    "Commands. They are carried out in this order, before the acknowledgement is sent.",
  );
  const ConnectAnswer = z.object({
    userId: maybe(
      z.string().check(z.minLength(1), z.maxLength(ANSWER_LIMITS.userIdCharsMax)),
      "The user. Later calls of the socket have it.",
    ),
    ...stateMembers,
    commands,
  });
  const EventAnswer = z.object({
    ack: maybe(
      z.array(VALUE).check(z.maxLength(COMMAND_LIMITS.argsMax)),
      "Arguments of the client's acknowledgement. Ignored if the call's `ack` is false.",
    ),
    ...stateMembers,
    commands,
  });
  const BatchAnswer = z.object({
    answers: maybe(
      z.array(z.object({ id: z.string(), ...stateMembers, commands })),
      "Answers to single events, by their ids.",
    ),
    failed: maybe(
      z.array(
        z.object({
          id: z.string(),
          retry: maybe(
            z.boolean(),
            "If true, the event is sent again. If not, it counts as refused.",
          ),
        }),
      ),
      "Events that failed. All others are done.",
    ),
    commands: maybe(z.null(), "Not allowed here: put commands into `answers`."),
  });
  const Refusal = z.object({
    message: maybe(
      z.string(),
      `Message for the client, cut after ${ANSWER_LIMITS.messageCharsMax} characters.`,
    ),
    data: z.optional(value("Details for the client.")),
  });
  return { Tell, RoomChange, ConnectAnswer, EventAnswer, BatchAnswer, Refusal };
}

/** The schemas of bodies, by the names of their types in core/call.ts. */
export type CallSchemas = ReturnType<typeof createCallSchemas>;

/**
 * Returns the schema of each body. They are made when they are asked for: making them takes several
 * milliseconds, and most processes only read bodies.
 */
export function createCallSchemas() {
  const calls = createCalls();
  return { ...calls, BatchCall: createBatch(calls.EventCall), ...createAnswers() };
}
