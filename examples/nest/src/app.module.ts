import { Module } from "@nestjs/common";
import { ChatGateway } from "./chat.gateway.js";
import { People } from "./people.js";
import { RoomsController } from "./rooms.controller.js";

@Module({ controllers: [RoomsController], providers: [ChatGateway, People] })
export class AppModule {}
