import type { Server } from "socket.io";
import type { PartialSettings } from "../core/settings-shape.ts";
import { type Gateway, type Listen, type OwnNeeds, startOwn } from "../gateway/gateway.ts";

/** A gateway whose server is there before it listens. */
export interface LaterGateway {
  /** Rejects if the gateway cannot be started. */
  readonly io: Promise<Server>;
  /** Resolves when it listens; rejects if it cannot. */
  listen(at: Listen): Promise<Gateway>;
  /** Stops it, whether it listens or not. */
  stop(): Promise<void>;
}

/** Starts everything of a gateway except listening. */
export function startLater(settings: PartialSettings, needs: OwnNeeds): LaterGateway {
  let begin = (_: Listen): void => {};
  let cancel = (_: Error): void => {};
  const listening = new Promise<Listen>((resolve, reject) => {
    begin = resolve;
    cancel = reject;
  });
  listening.catch(() => {}); // it may be cancelled before anybody waits
  let found = (_: Server): void => {};
  let failed = (_: unknown): void => {};
  const io = new Promise<Server>((resolve, reject) => {
    found = resolve;
    failed = reject;
  });
  const prepared = (server: Server): Promise<Listen> => {
    found(server);
    return listening;
  };
  const gateway = startOwn(settings, { ...needs, prepared });
  gateway.catch(failed);
  return {
    io,
    listen(at) {
      begin(at);
      return gateway;
    },
    async stop() {
      cancel(new Error("the application was closed before it listened"));
      const running = await gateway.catch(() => undefined);
      await running?.stop();
    },
  };
}
