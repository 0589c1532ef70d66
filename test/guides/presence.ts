import { followGuide } from "./guide.ts";

/** docs/guides/presence.md */
export function presence(): void {
  followGuide("presence", [3000, 8787], async (_t, guide) => {
    const gateway = guide.start("gateway");
    await guide.shows(gateway, "listening");
    const ada = guide.start("ada");
    await ada.said("in tea");
    const first = guide.start("bob");
    await guide.printsOnly(first, "bob sees");
    const second = guide.start("bob");
    await guide.printsOnly(second, "bob sees");
    // When Ada hears of the last who leaves, she has heard nothing of the other.
    await guide.stop(first);
    await guide.stop(second);
    await guide.printsOnly(ada, "ada sees");

    const bob = guide.start("bob");
    await guide.printsOnly(bob, "bob sees");
    await guide.printsOnly(await guide.run("rooms"), "rooms answer");
    await guide.printsOnly(await guide.run("sockets"), "sockets answer");
    await guide.shows(await guide.run("wrong key"), "wrong key answer");
    await guide.stop(bob, ada, gateway);

    const dev = guide.start("dev");
    await guide.shows(dev, "dev listening");
    const again = guide.start("ada");
    await again.said("in tea");
    await guide.printsOnly(await guide.run("count"), "counted");
    await guide.shows(dev, "count logged");
  });
}
