import { attackRows } from "./row.ts";
import { HTTP_ROWS, HTTP_SETTINGS } from "./rows/http.ts";

attackRows("hostile HTTP requests and upgrades", HTTP_ROWS, HTTP_SETTINGS);
