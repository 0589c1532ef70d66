import type { TestContext } from "node:test";
import type { Command } from "../../src/core/command.ts";
import type { FailureCode } from "../../src/core/failures.ts";
import type { Log } from "../../src/core/log.ts";
import { type PartialSettings, readSettings } from "../../src/core/settings.ts";
import type { Clock } from "../../src/upstream/call.ts";
import type { EventReply, SocketCalls } from "../../src/upstream/socket-calls.ts";
import { createUpstream, type Upstream } from "../../src/upstream/upstream.ts";
import { SECRET } from "../harness/function.ts";

/** Calls to functions, without a gateway around them. */
export interface TestUpstream extends Upstream {
  /** Commands that were carried out, in their order. */
  readonly applied: Command[];
  /** A socket's lane; it ends with the test. */
  lane(id?: string, more?: { namespace?: string; traceparent?: string }): SocketCalls;
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
  more: { readonly clock?: Clock; readonly log?: Log } = {},
): TestUpstream {
  const applied: Command[] = [];
  const { upstream: settings } = readSettings({ upstream: { ...QUICK, ...given } });
  const upstream = createUpstream(settings, {
    log: () => {},
    apply: async (commands) => void applied.push(...commands),
    ...more,
  });
  t.after(() => upstream.stop());
  return {
    ...upstream,
    applied,
    lane(id = "s1", { namespace = "/", traceparent } = {}) {
      const describe = () => ({ userId: `user of ${id}`, data: {} });
      return upstream.open({ id, namespace, traceparent, describe });
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
