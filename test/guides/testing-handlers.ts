import { followGuide } from "./guide.ts";

/** docs/guides/testing-handlers.md */
export function testingHandlers(): void {
  followGuide("testing-handlers", [3000, 8787], async (_t, guide) => {
    await guide.shows(await guide.run("test"), "tested");
    await guide.shows(await guide.run("vitest"), "tested by vitest");
    await guide.shows(await guide.run("test function"), "function tested");
    const dev = guide.start("dev");
    await guide.shows(dev, "dev listening");
    await guide.printsOnly(await guide.run("client"), "client told");
    await guide.shows(dev, "dev logged");
    await guide.shows(await guide.run("replay"), "replayed");
    await guide.shows(await guide.run("no call"), "no call told");
  });
}
