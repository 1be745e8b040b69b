// The page around a widget: links that open a state, code that is copied, and what the widget listens to.
import { make, store } from "./elements";
import { say } from "./strings";

/** Scrolls to the widget. What lies above is laid out as it comes near and moves the rest, so that once is not enough. */
export function comeIntoView(host: HTMLElement): void {
  let left = 25;
  const stop = () => { left = 0; };
  for (const event of ["wheel", "touchstart", "keydown", "pointerdown"]) addEventListener(event, stop, { once: true, passive: true });
  const show = () => {
    if (left-- <= 0) return;
    const { top } = host.getBoundingClientRect();
    if (top < -20 || top > 140) host.scrollIntoView({ block: "start", behavior: "instant" });
    setTimeout(show, 80);
  };
  show();
}

/** Links on this page that open a state of the widget: those that were followed bear a tick; a second click opens it again. */
export function tickOff(name: string, restore?: () => void): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>(`a[href^="#w-${name}?"]`)) {
    if (restore) link.addEventListener("click", () => link.hash === location.hash && restore());
    if (store.get(`opened:${link.hash}`) && !link.querySelector("[role=img]")) link.append(make("span", { role: "img", "aria-label": say("opened") }, " ✓"));
  }
}

/** Puts code where the reader can paste it, or shows it. */
export async function hand(code: string, status: HTMLElement): Promise<void> {
  try {
    await navigator.clipboard.writeText(code);
    status.textContent = say("copied");
  } catch {
    const area = make("textarea", { readonly: true, "aria-label": say("cannotCopy") });
    area.value = code;
    status.replaceChildren(say("cannotCopy"), area);
    area.select();
  }
}

/** Says when the widget comes into sight or leaves it, and when it has to be drawn again: its size or the page's dress changes. */
export function watch(host: HTMLElement, canvas: HTMLElement, seen: (visible: boolean) => void, refresh: () => void): void {
  new IntersectionObserver((found) => seen(found[found.length - 1].isIntersecting)).observe(host);
  new ResizeObserver(refresh).observe(canvas);
  const dress = () => {
    const { theme, jpThemeLight } = { ...document.documentElement.dataset, ...document.body.dataset } as DOMStringMap;
    host.classList.toggle("dark", theme === "dark" || jpThemeLight === "false");
    refresh();
  };
  const observer = new MutationObserver(dress);
  for (const element of [document.documentElement, document.body]) observer.observe(element, { attributeFilter: ["data-theme", "data-jp-theme-light"] });
  dress();
}
