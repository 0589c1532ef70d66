import { UseGuards, UsePipes, ValidationPipe } from "@nestjs/common";
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayConnection,
  SubscribeMessage,
  WebSocketGateway,
  WebSocketServer,
  WsException,
} from "@nestjs/websockets";
import type { Namespace, Socket } from "socket.io";
import { ChatMessage, RoomMessage } from "./messages.js";
import { TokenGuard } from "./token.guard.js";

/** The room chat, in the namespace /chat. */
@WebSocketGateway({ namespace: "chat", cors: { origin: "*" } })
@UseGuards(TokenGuard)
@UsePipes(
  new ValidationPipe({
    // The default filter passes the text of a WsException on, but not that of other errors.
    exceptionFactory: (errors) => new WsException(errors.map((error) => error.toString()).join()),
  }),
)
export class ChatGateway implements OnGatewayConnection<Socket> {
  @WebSocketServer()
  readonly server!: Namespace;

  handleConnection(client: Socket): void {
    // Here the socket still knows its rooms; in handleDisconnect it has left them.
    client.on("disconnecting", () => {
      for (const room of client.rooms) {
        if (room !== client.id) client.to(room).emit("user has left", client.data.name, room);
      }
    });
  }

  @SubscribeMessage("join")
  async join(@MessageBody() { room }: RoomMessage, @ConnectedSocket() client: Socket) {
    await client.join(room);
    return { members: this.count(room) }; // the ack
  }

  @SubscribeMessage("leave")
  async leave(@MessageBody() { room }: RoomMessage, @ConnectedSocket() client: Socket) {
    client.to(room).emit("user has left", client.data.name, room);
    await client.leave(room);
    return { members: this.count(room) };
  }

  @SubscribeMessage("message")
  message(@MessageBody() { room, text }: ChatMessage, @ConnectedSocket() client: Socket) {
    if (!client.rooms.has(room)) throw new WsException(`you are not in ${room}`);
    client.to(room).emit("message", { from: client.data.name, room, text });
    return { heard: this.count(room) - 1 };
  }

  count(room: string): number {
    return this.server.adapter.rooms.get(room)?.size ?? 0;
  }
}
