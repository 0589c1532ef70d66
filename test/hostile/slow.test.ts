import { attackAtOnce } from "./row.ts";
import { SLOW_ROWS, SLOW_SETTINGS } from "./rows/slow.ts";

attackAtOnce("clients that are slow on purpose", SLOW_ROWS, SLOW_SETTINGS);
