import { attackRows } from "./row.ts";
import { PACKET_ROWS, PACKET_SETTINGS } from "./rows/packets.ts";

attackRows("hostile packets", PACKET_ROWS, PACKET_SETTINGS);
