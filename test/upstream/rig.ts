import type { TestContext } from "node:test";
import type { StateAnswer } from "../../src/core/call.ts";
import type { Command } from "../../src/core/command.ts";
import type { FailureCode } from "../../src/core/failures.ts";
import { type PartialSettings, readSettings } from "../../src/core/settings.ts";
import { type KnownSocket, keepState } from "../../src/core/socket-state.ts";
import type { TraceContext } from "../../src/core/trace.ts";
import type { EventReply, SocketCalls } from "../../src/upstream/socket-calls.ts";
import { createUpstream, type Upstream, type UpstreamNeeds } from "../../src/upstream/upstream.ts";
import { SECRET } from "../harness/function.ts";

/** A socket that is called about. */
interface LaneOf extends KnownSocket {
  readonly namespace?: string;
  readonly trace?: TraceContext;
  readonly mayBeElsewhere?: boolean;
  refused?(event: string, code: FailureCode): void;
}

/** What an answer said about a socket that no call here is open for. */
interface Elsewhere {
  readonly id: string;
  readonly answer: StateAnswer;
  readonly order: number;
}

/** Calls to functions, without a gateway around them. */
export interface TestUpstream extends Upstream {
  /** Commands that were carried out, in their order. */
  readonly applied: Command[];
  /** What answers said about sockets that no call here is open for. */
  readonly elsewhere: Elsewhere[];
  /** A socket's lane; it ends with the test. */
  lane(id?: string, more?: LaneOf): SocketCalls;
  /** Hands an event on and resolves with its reply. */
  ask(lane: SocketCalls, name: string, ...args: unknown[]): Promise<EventReply>;
}

/** Settings that leave no time to waste. */
const QUICK = {
  ...{ secrets: [SECRET], retryMs: 1, retryMsMax: 5, drainMs: 0 },
  ...{ attemptsMax: 5, retryForMs: 600_000 },
};

/** Returns calls to functions; they stop with the test. */
export function testUpstream(
  t: TestContext,
  given: NonNullable<PartialSettings["upstream"]>,
  more: Partial<Pick<UpstreamNeeds, "clock" | "log" | "count" | "journal" | "lost">> = {},
): TestUpstream {
  const applied: Command[] = [];
  const elsewhere: Elsewhere[] = [];
  const { upstream: settings } = readSettings({ upstream: { ...QUICK, ...given } });
  const upstream = createUpstream(settings, {
    log: () => {},
    apply: async (commands) => void applied.push(...commands),
    elsewhere: ({ id }, answer, order) => void elsewhere.push({ id, answer, order }),
    ...more,
  });
  t.after(() => upstream.stop());
  return {
    ...upstream,
    applied,
    elsewhere,
    lane(id = "s1", { namespace = "/", trace, mayBeElsewhere, refused, ...more } = {}) {
      const known = { userId: `user of ${id}`, data: {}, ...more };
      const state = keepState(known, settings.dataBytesMax);
      const hears = { ...(mayBeElsewhere && { mayBeElsewhere }), ...(refused && { refused }) };
      return upstream.open({ id, namespace, trace, ...state, ...hears });
    },
    ask: (lane, name, ...args) =>
      new Promise((resolve, reject) => {
        const code = lane.event(name, args, resolve);
        if (code !== undefined) reject(Object.assign(new Error(code), { code }));
      }),
  };
}

/** The code of a reply that is none. */
export function codeOf(reply: EventReply): FailureCode | undefined {
  return "code" in reply ? reply.code : undefined;
}
