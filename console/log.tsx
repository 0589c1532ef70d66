import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

/** Lines that scroll, also by keyboard, and stay at their end while new ones come. */
export function Log({
  label,
  tall = false,
  children,
}: {
  readonly label: string;
  readonly tall?: boolean;
  readonly children: ComponentChildren;
}) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => place.current?.scrollTo(0, place.current.scrollHeight), [children]);
  const about = { role: "log", "aria-label": label, tabIndex: 0 } as const;
  return (
    <div ref={place} class={tall ? "log tall" : "log"} {...about}>
      {children}
    </div>
  );
}
