import { IsString, Length } from "class-validator";

export class RoomMessage {
  @IsString()
  @Length(1, 128)
  room!: string;
}

export class ChatMessage extends RoomMessage {
  @IsString()
  @Length(1, 1000)
  text!: string;
}
