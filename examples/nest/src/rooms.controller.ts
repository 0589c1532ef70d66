import { Controller, Get, Param } from "@nestjs/common";
import { ChatGateway } from "./chat.gateway.js";

/** Nest's own HTTP, on the same port. */
@Controller("rooms")
export class RoomsController {
  constructor(private readonly chat: ChatGateway) {}

  @Get(":room")
  show(@Param("room") room: string) {
    return { room, members: this.chat.count(room) };
  }
}
