import type { Command } from "../core/command.ts";
import { type FailureCode, FailureError } from "../core/failures.ts";
import { readBatchAnswer, readEventAnswer } from "./answer.ts";
import type { Courier } from "./courier.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Batch, LaneState, Lanes } from "./lanes.ts";
import type { Answered, Failed, Outcome } from "./outcome.ts";
import type { CallRequest, Item, Reply } from "./request.ts";

/** Carries the heads of lanes to functions and does what the answers say. */
export interface Carrier {
  /** Delivers one item alone. */
  carry(lane: LaneState, item: Item): void;
  /** Delivers a batch. */
  carryBatch(request: CallRequest, batch: Batch): void;
  /** Gives up an item that somebody has stopped waiting for, wherever it is but on the wire. */
  expire(lane: LaneState, item: Item): void;
  /** Ends an item that was never sent. */
  abandon(item: Item, code: FailureCode): void;
}

/** What a carrier needs. */
export interface CarrierNeeds {
  readonly courier: Courier;
  readonly lanes: () => Lanes;
  readonly letters: DeadLetters;
  apply(commands: readonly Command[]): Promise<void>;
  /** An item was turned away before any request. */
  refused(code: FailureCode): void;
  /** An item is over: it does not count against the bounds any more. */
  freed(item: Item): void;
}

/** Returns the carrier of a gateway's lanes. */
export function createCarrier(needs: CarrierNeeds): Carrier {
  const { courier, letters } = needs;

  /** Ends an item; returns why an answer cannot be read, as far as those who wait read it. */
  function settle(item: Item, reply: Reply, detail?: string): FailureCode | undefined {
    if (item.over) return undefined;
    item.over = true;
    clearTimeout(item.timer);
    needs.freed(item);
    if (!reply.ok && item.attempts === 0) needs.refused(reply.failed.code);
    const unread = item.tell?.(reply);
    // Who answers 422 has read the event; all else may be a mistake that somebody wants to repair.
    if (!item.tell && !reply.ok && reply.failed.status !== REFUSED.status) {
      const { event, route, path, attempts } = item;
      letters.add({ event, route, path, attempts, code: reply.failed.code, detail });
    }
    item.done?.();
    item.replayed?.(reply.ok ? undefined : reply.failed);
    return unread;
  }

  function release(lane: LaneState): void {
    lane.busy = false;
    needs.lanes().advance(lane);
  }

  /** Ends an item whose call was answered: carries its commands out, if they can be read. */
  function finish(item: Item, outcome: Answered, commandsOf: CommandsOf): FailureCode | undefined {
    try {
      const commands = commandsOf(item.event.id);
      if (commands.length > 0) void needs.apply(commands);
      return settle(item, outcome);
    } catch (error) {
      const failed = badAnswer(error);
      settle(item, { ok: false, failed }, detailOf(error));
      return failed.code;
    }
  }

  function conclude(item: Item, outcome: Outcome): FailureCode | undefined {
    if (!outcome.ok) return settle(item, { ok: false, failed: outcome });
    // Who waits reads the answer himself.
    if (item.tell) return settle(item, outcome);
    return finish(item, outcome, () => readEventAnswer(outcome.body).commands);
  }

  function concludeBatch({ members, lanes }: Batch, outcome: Outcome): FailureCode | undefined {
    const again = new Map<LaneState, Item[]>();
    const { unread, detail, failedOf, commandsOf } = readBatch(outcome);
    for (const { lane, item } of members) {
      const failed = failedOf(item.event.id);
      if (outcome.ok && !failed) finish(item, outcome, commandsOf);
      else if (failed && courier.mayRetry(failed, item.attempts)) {
        again.set(lane, [...(again.get(lane) ?? []), item]);
      } else if (failed) settle(item, { ok: false, failed }, detail);
    }
    for (const lane of lanes) {
      const items = again.get(lane);
      if (!items) {
        release(lane);
        continue;
      }
      needs.lanes().putBack(lane, items);
      courier.later(items[0]?.attempts ?? 1, () => release(lane));
    }
    return unread;
  }

  return {
    carry(lane, item) {
      courier.deliver(requestOf(item), (outcome) => {
        if (item.over) return undefined;
        const unread = conclude(item, outcome);
        release(lane);
        return unread;
      });
    },
    carryBatch(request, batch) {
      courier.deliver(request, (outcome) => concludeBatch(batch, outcome));
    },
    expire(lane, item) {
      // On the wire the request's own deadline ends it.
      if (item.over || item.attempts > 0) return;
      const standing = item.leave;
      standing?.();
      settle(item, { ok: false, failed: { ok: false, code: "UPSTREAM_TIMEOUT" } });
      if (standing) release(lane);
      else needs.lanes().take(lane, item);
    },
    abandon: (item, code) => settle(item, { ok: false, failed: { ok: false, code } }),
  };
}

const FAILED: Failed = { ok: false, code: "UPSTREAM_FAILED" };
const REFUSED = { ok: false, code: "UPSTREAM_REFUSED", status: 422 } as const satisfies Failed;

function requestOf(item: Item): CallRequest {
  const { event, route, path } = item;
  const once = item.replayed !== undefined;
  return { id: event.id, batch: false, once, items: [item], route, path, attempts: 0 };
}

/** Reads what an event's answer asks for. Throws UPSTREAM_BAD_ANSWER. */
type CommandsOf = (id: string) => readonly Command[];

/** What became of a batch. */
interface ReadBatch {
  /** Why its answer as a whole cannot be read, and what is wrong with it. */
  readonly unread?: FailureCode;
  readonly detail?: string | undefined;
  /** Why an event failed, if it did. */
  failedOf(id: string): Failed | undefined;
  readonly commandsOf: CommandsOf;
}

function readBatch(outcome: Outcome): ReadBatch {
  if (!outcome.ok) return { failedOf: () => outcome, commandsOf: () => [] };
  try {
    const { failed, commandsOf } = readBatchAnswer(outcome.body);
    return {
      failedOf(id) {
        const retry = failed.get(id);
        return retry === undefined ? undefined : retry ? FAILED : REFUSED;
      },
      commandsOf,
    };
  } catch (error) {
    const failed = badAnswer(error);
    const { code: unread } = failed;
    return { unread, detail: detailOf(error), failedOf: () => failed, commandsOf: () => [] };
  }
}

function badAnswer(error: unknown): Failed {
  if (error instanceof FailureError) return { ok: false, code: error.code };
  throw error;
}

function detailOf(error: unknown): string | undefined {
  return error instanceof FailureError ? error.detail : undefined;
}
