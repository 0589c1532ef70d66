import { type ComponentType, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type About, get, hasKey, onKeyRefused, type Refused, setKey, takeKey } from "./gateway.ts";
import { KeyForm } from "./key-form.tsx";
import { Chat } from "./views/chat.tsx";
import { Cluster } from "./views/cluster.tsx";
import { Functions } from "./views/functions.tsx";
import { Now } from "./views/now.tsx";
import { Try } from "./views/try.tsx";
import { Watch } from "./views/watch.tsx";
import { Who } from "./views/who.tsx";

/** What every view gets. */
export interface ViewProps {
  readonly about: About;
}

interface View {
  readonly name: string;
  readonly title: string;
  readonly shown: (about: About) => boolean;
  readonly Body: ComponentType<ViewProps>;
}

/** The views, in the order of their links: one file in `views/` each. */
const VIEWS: readonly View[] = [
  { name: "now", title: "Now", shown: () => true, Body: Now },
  { name: "who", title: "Who", shown: () => true, Body: Who },
  { name: "watch", title: "Watch", shown: ({ canWatch }) => canWatch, Body: Watch },
  {
    name: "functions",
    title: "Functions",
    shown: ({ hasFunctions }) => hasFunctions,
    Body: Functions,
  },
  { name: "cluster", title: "Cluster", shown: ({ hasOthers }) => hasOthers, Body: Cluster },
  { name: "try", title: "Try it", shown: () => true, Body: Try },
  { name: "chat", title: "Chat", shown: ({ isChat }) => isChat, Body: Chat },
];

/** The view that the address names; whoever develops begins with the playground. */
function viewOf({ hash }: Location, about: About): View | undefined {
  const shown = VIEWS.filter((view) => view.shown(about));
  const first = about.developing ? "try" : "now";
  const name = hash.slice(1) || first;
  return shown.find((view) => view.name === name) ?? shown[0];
}

function Page() {
  const [about, setAbout] = useState<About>();
  const [problem, setProblem] = useState("");
  const [, redraw] = useState(0);

  const enter = (): void => {
    if (!hasKey()) return;
    get<About>("console/about").then(
      (found) => {
        setProblem("");
        setAbout(found);
      },
      (error: Refused) => setProblem(error.message),
    );
  };
  const open = (key: string): void => {
    setKey(key);
    enter();
  };
  useEffect(() => {
    // Tokens expire, keys are withdrawn, and the key of a link ends with its process.
    onKeyRefused(() => {
      setAbout(undefined);
      setProblem("The gateway does not accept this key any more.");
    });
    enter();
    const moved = () => {
      // The link of another start, opened in the same tab, changes no more than the hash.
      if (takeKey()) enter();
      redraw((count) => count + 1);
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);

  if (!about) {
    return <KeyForm problem={problem} given={open} />;
  }
  const leave = (): void => {
    setKey();
    setAbout(undefined);
  };
  const view = viewOf(location, about);
  return (
    <>
      <header class="top">
        {/* biome-ignore lint/a11y/useValidAnchor: it goes to the view; see skip. */}
        <a class="skip" href="#view" onClick={skip}>
          Skip to the view
        </a>
        <h1>
          Sluice <small>{about.version}</small>
        </h1>
        <nav aria-label="Views">
          {VIEWS.filter(({ shown }) => shown(about)).map(({ name, title }) => (
            <a key={name} href={`#${name}`} aria-current={name === view?.name ? "page" : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <button type="button" class="quiet" onClick={leave}>
          Forget the key
        </button>
      </header>
      <main id="view" tabIndex={-1}>
        {view && <view.Body key={view.name} about={about} />}
      </main>
    </>
  );
}

// The hash names the view, so the link moves the focus itself.
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById("view")?.focus();
}

takeKey();
const root = document.getElementById("page");
if (root) render(<Page />, root);
