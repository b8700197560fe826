/** When to send and when to read the feed: at once, on a better line, after a wait that grows; one round at a time. */
import { type Signal, signal } from "@preact/signals";
import type { Contact, Pause } from "../port";
import { alone } from "../queue/alone";
import { waitAfter } from "../queue/backoff";
import { mark, marksOf } from "../queue/database";
import { askAgain, Halted, type Line, sendAll } from "../queue/send";
import { NoAnswer, patiently, type Request } from "../server/client";
import { refreshDevice, tellQueue, wipeStolen } from "../server/device";
import { FeedRefused, news } from "../server/feed";
import { renewed } from "../server/people";
import { forget, prune, remember } from "../vault/seen";
import type { Core } from "./core";
import { keepSignedIn } from "./who";

const ARRIVED_KEPT_MS = 90 * 24 * 3600_000;

export interface Sender {
  readonly busy: Signal<boolean>;
  readonly pause: Signal<Pause | null>;
  readonly contact: Signal<Contact>;
  readonly wiped: Signal<boolean>;
  /** The server does not know this phone's token any more. */
  readonly enrolAgain: Signal<boolean>;
  /** A round now: send, then read the feed. Never throws. */
  round(): Promise<void>;
  /** A round if the wait after the last failure is over. */
  roundIfDue(): Promise<void>;
}

export function senderOf(core: Core, chance: () => number = Math.random, wait: Line["pause"] = sleep): Sender {
  const busy = signal(false);
  const pause = signal<Pause | null>(null);
  const contact = signal<Contact>({ is: "unknown", last_at: core.marks.value.contact_at });
  const wiped = signal(false);
  const enrolAgain = signal(false);

  const patient = patiently(core.request, (ms) => wait(ms * (0.5 + 0.5 * chance())));

  const line: Line = {
    database: core.database,
    request: core.request,
    now: () => core.now().getTime(),
    pause: (ms) => wait(ms * (0.5 + 0.5 * chance())),
    tokenOf(person) {
      const opened = core.opened.value;
      return opened?.person === person && !opened.sign_in_again ? opened.signed_in.token : null;
    },
    onPersonRefused,
    onProgress: () => void core.changed("queue"),
  };

  function onPersonRefused(person: string): void {
    const opened = core.opened.value;
    if (opened?.person === person) core.opened.value = { ...opened, sign_in_again: true };
  }

  let again = false; // something was queued while a round was at its end
  let running: Promise<void> | null = null;

  function round(): Promise<void> {
    again = true;
    running ??= rounds().finally(() => (running = null));
    return running;
  }

  async function rounds(): Promise<void> {
    busy.value = true;
    try {
      while (again && core.device.value !== null) {
        again = false;
        await alone(attempt);
      }
    } finally {
      busy.value = false;
      await core.changed("queue", "marks", "device");
    }
  }

  async function attempt(): Promise<void> {
    try {
      await send();
      await readFeed(core, patient, onPersonRefused);
      await succeeded();
    } catch (error) {
      await failed(error);
    }
  }

  async function send(): Promise<void> {
    const standing = await refreshDevice(core.database, patient, core.now());
    if (standing === "stolen") throw new Halted("stolen");
    if (standing === "unknown") throw new Halted("token-refused");
    const device = await core.database.get("device", "device");
    if (!device) return;
    await sendAll(line, device);
    await askAgain({ ...line, request: patient }, device);
    await tellQueue(core.database, patient, device);
  }

  async function succeeded(): Promise<void> {
    const at = core.now().toISOString();
    await mark(core.database, { contact_at: at, failures: 0, next_try_at: null });
    await dropArrived(core, core.now());
    pause.value = null;
    enrolAgain.value = false;
    contact.value = { is: "online", last_at: at };
  }

  async function failed(error: unknown): Promise<void> {
    const halted = error instanceof NoAnswer ? new Halted(error.why, error.wait_ms) : error;
    if (!(halted instanceof Halted)) throw error;
    if (halted.why === "stolen") return wipeEverything();
    if (halted.why === "token-refused") {
      const standing = await refreshDevice(core.database, core.request, core.now(), true).catch(() => "known");
      if (standing === "stolen") return wipeEverything();
      enrolAgain.value = standing === "unknown";
    }
    const { contact_at, failures } = await marksOf(core.database);
    const pauses = halted.wait_ms ?? waitAfter(failures + 1, chance());
    const next_try_at = new Date(core.now().getTime() + pauses).toISOString();
    await mark(core.database, { failures: failures + 1, next_try_at });
    pause.value = halted.why;
    const is = halted.why === "portal" ? "portal" : halted.why === "offline" ? "offline" : contact.value.is;
    contact.value = { is, last_at: contact_at };
  }

  async function wipeEverything(): Promise<void> {
    await wipeStolen(core.database, core.request);
    core.opened.value = null;
    wiped.value = true;
    await core.changed("device", "people", "queue", "drafts", "seen", "marks");
  }

  async function roundIfDue(): Promise<void> {
    const { next_try_at } = await marksOf(core.database);
    if (next_try_at === null || Date.parse(next_try_at) <= core.now().getTime()) await round();
  }

  return { busy, pause, contact, wiped, enrolAgain, round, roundIfDue };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}

/** All pages of the feed, each kept before the next is asked for. */
async function readFeed(core: Core, request: Request, onPersonRefused: (person: string) => void): Promise<void> {
  const opened = core.opened.value;
  if (!opened || opened.sign_in_again) return;
  const { person, key } = opened;
  const signed_in = await renewed(request, opened.signed_in, core.now());
  if (signed_in !== opened.signed_in) {
    await keepSignedIn(core.database, key, person, signed_in);
    core.opened.value = { ...opened, signed_in };
  }
  const mine = new Set([...core.seen.value.values()].filter((seen) => seen.mine).map((seen) => seen.case_id));
  try {
    for (let more = true; more; ) {
      const row = await core.database.get("people", person);
      if (!row) return;
      const page = await news(request, signed_in.token, row.cursor, mine, core.now());
      more = page.more;
      await remember(core.database, key, person, [...page.cases]);
      await forget(core.database, page.erased);
      await core.database.put("people", { ...row, cursor: page.cursor });
      if (page.cases.length + page.erased.length > 0) await core.changed("seen");
    }
  } catch (error) {
    if (!(error instanceof FeedRefused)) throw error;
    onPersonRefused(person);
  }
  await prune(core.database, core.now());
}

async function dropArrived(core: Core, now: Date): Promise<void> {
  const before = new Date(now.getTime() - ARRIVED_KEPT_MS).toISOString();
  const tx = core.database.transaction("arrived", "readwrite");
  const old = IDBKeyRange.upperBound(before, true);
  for (const key of await tx.store.index("received_at").getAllKeys(old)) await tx.store.delete(key);
  await tx.done;
}
