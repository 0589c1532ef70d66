import { attackRows } from "./row.ts";
import { LEAVING_ROWS } from "./rows/leaving.ts";

attackRows("clients that leave in the middle of something", LEAVING_ROWS);
