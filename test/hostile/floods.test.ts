import { attackRows } from "./row.ts";
import { DOOR_ROWS, DOOR_SETTINGS } from "./rows/door.ts";
import { FLOOD_ROWS, FLOOD_SETTINGS } from "./rows/floods.ts";

attackRows("floods", FLOOD_ROWS, FLOOD_SETTINGS);
attackRows("floods of connections", DOOR_ROWS, DOOR_SETTINGS);
