import { type CanActivate, type ExecutionContext, Injectable } from "@nestjs/common";
import { WsException } from "@nestjs/websockets";
import type { Socket } from "socket.io";
import { People } from "./people.js";

/** Lets only clients with a token send events. It runs for each event. */
@Injectable()
export class TokenGuard implements CanActivate {
  constructor(private readonly people: People) {}

  canActivate(context: ExecutionContext): boolean {
    const client = context.switchToWs().getClient<Socket>();
    const name = this.people.find(client.handshake.auth.token);
    if (name === undefined) throw new WsException("you need a token");
    client.data.name = name;
    return true;
  }
}
