import { openPage, startBrowser } from "../harness/browser.ts";
import { until } from "../harness/wait.ts";
import { followGuide } from "./guide.ts";

/** docs/guides/react.md */
export function react(): void {
  followGuide("react", [3000, 8080], async (t, guide) => {
    const browser = await startBrowser(t);
    if (!browser) return;
    const gateway = guide.start("gateway");
    guide.serve("page");
    await guide.shows(gateway, "listening");
    const url = `http://localhost:${guide.port(8080)}/`;
    const isUp = () =>
      fetch(`${url}page.js`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(isUp, "esbuild serves the page", 30_000);

    const [one, two] = await Promise.all([openPage(browser, url), openPage(browser, url)]);
    const pages = [one.page, two.page];
    const allSay = async (state: string) => {
      for (const page of pages) await page.locator("#state", { hasText: state }).waitFor();
    };
    const send = async (text: string) => {
      await two.page.locator("input").fill(text);
      await two.page.getByText("Send").click();
    };
    const allShow = async (title: string) => {
      for (const page of pages) await guide.pageShows(page, "li", title);
    };
    await allSay("connected");
    await send("hello");
    await allShow("hello");

    await one.page.getByText("Cut the connection").click();
    await one.page.locator("#state", { hasText: "away" }).waitFor();
    await send("are you there?");
    await guide.pageShows(two.page, "li", "missed");
    await one.page.getByText("Come back").click();
    await allShow("missed");

    await guide.stop(gateway);
    await allSay("away");
    await guide.shows(guide.start("gateway"), "listening");
    await allSay("connected");
    await send("again");
    await allShow("restarted");
  });
}
