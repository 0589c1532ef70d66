import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { followGuide } from "./guide.ts";

/** docs/guides/first-handlers.md */
export function firstHandlers(): void {
  followGuide("first-handlers", [3000], async (_t, guide) => {
    const gateway = guide.start("start");
    await guide.shows(gateway, "started");
    const ada = guide.start("ada");
    await guide.printsOnly(ada, "ada alone");
    const bob = guide.start("bob");
    await guide.printsOnly(bob, "bob joined");
    await guide.printsOnly(ada, "ada heard");
    await guide.printsOnly(guide.start("nameless"), "nameless refused");
    const eve = guide.start("stranger");
    await guide.printsOnly(eve, "stranger told");
    await guide.printsOnly(guide.start("broken"), "broken told");
    await guide.shows(gateway, "broken logged");
    await guide.stop(ada, bob, eve, gateway);
    await guide.shows(await guide.run("no module"), "no module told");
    await guide.printsOnly(await guide.run("wrong setting"), "wrong setting told");

    const typed = guide.start("start typed");
    await guide.shows(typed, "typed started");
    await guide.printsOnly(guide.start("bob"), "bob alone and typed");
    await guide.stop(typed);
    // With the mistake of the page: one error, so there is none without it.
    const file = join(guide.folder, "app.mts");
    const join1 = '  socket.on("join"';
    writeFileSync(
      file,
      readFileSync(file, "utf8").replace(join1, `socket.emit("joind", "Ada");\n${join1}`),
    );
    await guide.printsOnly(await guide.run("check"), "typo");
  });
}
