// In the browser. `mauticUrl` is PUBLIC_MAUTIC_URL.

declare global {
  interface Window {
    MauticTrackingObject?: string;
    mt?: ((...command: unknown[]) => void) & { q?: unknown[][] };
  }
}

/** Loads Mautic's script and reports the page. Call it when the visitor has agreed, and on later pages at once. */
export function startTracking(mauticUrl: string): void {
  if (window.mt) return;
  const queue: unknown[][] = [];
  window.MauticTrackingObject = "mt"; // mtc.js looks here for the name of the queue that it takes over
  window.mt = Object.assign((...command: unknown[]) => void queue.push(command), { q: queue });
  window.mt("send", "pageview");
  const script = document.createElement("script");
  script.async = true;
  script.src = `${mauticUrl.replace(/\/+$/, "")}/mtc.js`;
  document.head.append(script);
}
