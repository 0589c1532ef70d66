import { attackRows } from "./row.ts";
import { POLLING_ROWS, POLLING_SETTINGS } from "./rows/polling.ts";

attackRows("hostile long-polling", POLLING_ROWS, POLLING_SETTINGS);
