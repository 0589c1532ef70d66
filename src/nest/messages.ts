import type { WebSocketAdapter, WsMessageHandler } from "@nestjs/common";
import type { Socket } from "socket.io";

type Transform = Parameters<WebSocketAdapter["bindMessageHandlers"]>[2];

/**
 * Has a socket's events handled by the methods of a gateway, as Nest's adapter for Socket.IO does:
 * what a method returns or emits is the ack, or an event if it has the form `{ event, data }`.
 * An Observable is unsubscribed from when the client leaves.
 */
export function bindMessages(
  client: Socket,
  handlers: readonly WsMessageHandler[],
  transform: Transform,
): void {
  const open = new Set<{ unsubscribe(): void }>();
  client.once("disconnect", () => {
    for (const subscription of open) subscription.unsubscribe();
  });
  for (const { message, callback, isAckHandledManually } of handlers) {
    // An error that no filter has handled is reported as a handler's mistake, and ends the ack.
    client.on(message, (...args: unknown[]) => {
      const ack = typeof args.at(-1) === "function" ? (args.pop() as Ack) : undefined;
      const answer = (response: unknown): void => {
        if (response === undefined || response === null) return;
        const { event, data } = Object(response) as { readonly event?: string; data?: unknown };
        if (event) client.emit(event, data);
        else if (!isAckHandledManually) ack?.(response);
      };
      return new Promise<void>((done, failed) => {
        const given = args.length > 1 ? args : args[0];
        const all = transform(callback(given, ack));
        const subscription = all.subscribe({ next: answer, error: failed, complete: done });
        open.add(subscription);
        subscription.add(() => open.delete(subscription));
      });
    });
  }
}

type Ack = (response: unknown) => void;
