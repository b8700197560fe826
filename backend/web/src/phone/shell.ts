/** What the browser does for the app: keeps it for a start without a network, offers another version, lends room. */
import { type Signal, signal } from "@preact/signals";
import type { Storage } from "../port";
import { SYNC_TAG } from "./names";

const SETTLED_MS = 1_000;
const LOW_BYTES = 50 * 1024 * 1024;

interface SyncManager {
  register(tag: string): Promise<void>;
}

export interface Shell {
  readonly updateReady: Signal<boolean>;
  readonly storage: Signal<Storage>;
  takeUpdate(): Promise<void>;
  askToPersist(): Promise<boolean>;
  measure(): Promise<void>;
  /** Ask the browser to send once there is a network, also when this page is closed; where it can (not on iOS). */
  sendLater(): Promise<void>;
}

export function shellOf(): Shell {
  const updateReady = signal(false);
  const storage = signal<Storage>({ used_bytes: 0, quota_bytes: 0, persisted: null, low: false });
  const registration = register(updateReady);

  async function measure(): Promise<void> {
    const { usage = 0, quota = 0 } = (await navigator.storage?.estimate?.()) ?? {};
    const persisted = (await navigator.storage?.persisted?.()) ?? null;
    storage.value = {
      used_bytes: usage,
      quota_bytes: quota,
      persisted,
      low: quota > 0 && quota - usage < LOW_BYTES,
    };
  }

  return {
    updateReady,
    storage,
    measure,
    async takeUpdate() {
      const waiting = (await registration)?.waiting;
      waiting?.postMessage("take-over");
    },
    async askToPersist() {
      const agreed = (await navigator.storage?.persist?.()) ?? false;
      await measure();
      return agreed;
    },
    async sendLater() {
      const sync = ((await registration) as { sync?: SyncManager } | null)?.sync;
      await sync?.register(SYNC_TAG).catch(() => undefined); // refused by the browser: the open page sends
    },
  };
}

/** Every tab goes over to a version that was taken in one of them: parts of the old one are not here any more. What is being
 * taken lies in the database. */
function startAnewWithAnother(): void {
  let controlled = navigator.serviceWorker.controller !== null;
  navigator.serviceWorker.addEventListener("controllerchange", () => {
    if (controlled) location.reload();
    controlled = true;
  });
}

/** The first screen comes first: on a thin line the worker's fetching would stand in its way. */
async function settled(): Promise<void> {
  if (document.readyState !== "complete") await new Promise((go) => addEventListener("load", go, { once: true }));
  await new Promise((go) => setTimeout(go, SETTLED_MS));
}

async function register(updateReady: Signal<boolean>): Promise<ServiceWorkerRegistration | null> {
  if (!("serviceWorker" in navigator) || import.meta.env.DEV) return null;
  startAnewWithAnother();
  await settled();
  try {
    const registration = await navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" });
    const look = () => {
      updateReady.value = registration.waiting !== null && navigator.serviceWorker.controller !== null;
    };
    registration.addEventListener("updatefound", () => registration.installing?.addEventListener("statechange", look));
    look();
    return registration;
  } catch {
    return null; // a private window, an address without TLS: the app works as long as the page is open
  }
}
