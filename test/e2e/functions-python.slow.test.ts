import { preparePython } from "../harness/languages.ts";
import { testLanguage } from "./languages.ts";

testLanguage("Python", preparePython);
