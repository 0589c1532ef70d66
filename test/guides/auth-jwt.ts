import { openPage, startBrowser } from "../harness/browser.ts";
import { followGuide } from "./guide.ts";

/** docs/guides/auth-jwt.md */
export function authJwt(): void {
  followGuide("auth-jwt", [3000, 8080], async (t, guide) => {
    const browser = await startBrowser(t);
    if (!browser) return;
    const env = { TOKEN_SECRET: "0123456789abcdef0123456789abcdef" };
    const gateway = guide.start("gateway", env);
    const server = guide.start("server", env);
    await guide.shows(gateway, "listening");
    await guide.printsOnly(server, "server runs");

    const open = async (query: string) => {
      const { page } = await openPage(browser, `http://localhost:${guide.port(8080)}/?${query}`);
      return page;
    };
    const ada = await open("user=ada&team=red");
    await guide.pageShows(ada, "#log > li", "ada");
    await guide.shows(gateway, "ada logged");
    await open("user=zoe&team=blue");
    await open("user=bob&team=red");
    await guide.pageShows(ada, "#log > li", "ada and bob");
    await guide.pageBegins(await open("user=eve&team=red&for=3s"), "#log > li", "expired");
    await guide.pageBegins(await open("user=eve&team=red&for=3s&stay"), "#log > li", "stayed");
    await guide.pageShows(await open("user=eve&team=red&for=-1m"), "#log > li", "refused");

    await guide.printsOnly(guide.start("mistakes", env), "codes");
    await guide.shows(await guide.run("short"), "short told");
  });
}
