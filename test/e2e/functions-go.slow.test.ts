import { prepareGo } from "../harness/languages.ts";
import { testLanguage } from "./languages.ts";

testLanguage("Go", prepareGo);
