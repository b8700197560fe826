/** When to send and when to read the feed: at once, on a better line, after a wait that grows; one round at a time. */
import { type Signal, signal } from "@preact/signals";
import type { Contact, Pause } from "../port";
import { alone } from "../queue/alone";
import { waitAfter } from "../queue/backoff";
import { mark, marksOf, patch } from "../queue/database";
import { askAgain, Halted, type Line, sendAll } from "../queue/send";
import { NoAnswer, patiently, type Request } from "../server/client";
import { refreshDevice, tellQueue, wipeStolen } from "../server/device";
import { FeedRefused, news } from "../server/feed";
import { refreshed } from "../server/people";
import { forget, prune, remember } from "../vault/seen";
import type { Core } from "./core";
import { keepSignedIn } from "./who";

const LONGEST_WAIT_MS = 3600_000;
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

  let heard = false; // the server has answered somebody whom it knows, in this round

  const request: Request = async (path, ask) => {
    const answer = await core.request(path, ask);
    heard ||= Boolean(ask?.token) && answer.refusal === null;
    return answer;
  };
  const restless = (ms: number) => wait(ms * (0.5 + 0.5 * chance()));
  const patient = patiently(request, restless);

  const line: Line = {
    database: core.database,
    request,
    now: () => core.now().getTime(),
    pause: restless,
    tokenOf(person) {
      const opened = core.opened.value;
      return opened?.person === person && !opened.sign_in_again ? opened.signed_in.token : null;
    },
    onPersonRefused,
    onProgress: () => void core.changed("queue"),
  };

  let again = false; // something was queued while a round was at its end

  async function onPersonRefused(person: string): Promise<void> {
    const opened = core.opened.value;
    if (opened?.person === person) core.opened.value = { ...opened, sign_in_again: true };
    await mark(core.database, { session_checked_at: null }); // whoever signed in on a phone goes with it: is it still known?
    again = true;
  }
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
    heard = false;
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
    await noteContact("online");
    await mark(core.database, { failures: 0, next_try_at: null });
    await dropArrived(core, core.now());
    pause.value = null;
    enrolAgain.value = false;
  }

  async function failed(error: unknown): Promise<void> {
    const { why, wait_ms } = haltOf(error);
    if (why === "stolen") return wipeEverything();
    if (why === "token-refused") {
      const standing = await refreshDevice(core.database, request, core.now(), true).catch(() => "known");
      if (standing === "stolen") return wipeEverything();
      enrolAgain.value = standing === "unknown";
    }
    const { failures } = await marksOf(core.database);
    const until = core.now().getTime() + (wait_ms ?? waitAfter(failures + 1, chance()));
    await mark(core.database, { failures: failures + 1, next_try_at: new Date(until).toISOString() });
    await noteContact(why === "portal" || why === "offline" ? why : contact.value.is);
    pause.value = why;
  }

  /** A round in which nothing had to be asked says nothing of the line. */
  async function noteContact(is: Contact["is"]): Promise<void> {
    if (heard) await mark(core.database, { contact_at: core.now().toISOString() });
    const { contact_at } = await marksOf(core.database);
    contact.value = { is: is === "online" && !heard ? contact.value.is : is, last_at: contact_at };
  }

  async function wipeEverything(): Promise<void> {
    await wipeStolen(core.database, core.request);
    core.opened.value = null;
    wiped.value = true;
    await core.changed("device", "people", "queue", "drafts", "seen", "marks");
  }

  async function roundIfDue(): Promise<void> {
    const { next_try_at } = await marksOf(core.database);
    const left_ms = Date.parse(next_try_at ?? "") - core.now().getTime();
    if (left_ms > 0 && left_ms <= LONGEST_WAIT_MS) return; // a longer one was written by a clock that ran ahead
    await round();
  }

  return { busy, pause, contact, wiped, enrolAgain, round, roundIfDue };
}

function haltOf(error: unknown): Halted {
  if (error instanceof Halted) return error;
  if (error instanceof NoAnswer) return new Halted(error.why, error.wait_ms);
  console.error(error); // ours to mend; what waits is kept and tried again
  return new Halted("server-away");
}

function sleep(ms: number): Promise<void> {
  return new Promise((resume) => setTimeout(resume, ms));
}

/** All pages of the feed, each kept before the next is asked for. */
async function readFeed(core: Core, request: Request, onPersonRefused: (person: string) => Promise<void>): Promise<void> {
  const opened = core.opened.value;
  if (!opened || opened.sign_in_again) return;
  const { person, key } = opened;
  const signed_in = await refreshed(request, opened.signed_in, core.now());
  if (!signed_in) return onPersonRefused(person);
  await keepSignedIn(core.database, key, person, signed_in, core.now()); // a new token ends the old one when it is used
  if (core.opened.value?.person === person) core.opened.value = { ...core.opened.value, signed_in };
  const mine = new Set([...core.seen.value.values()].filter((seen) => seen.mine).map((seen) => seen.case_id));
  try {
    for (let more = true; more; ) {
      const row = await core.database.get("people", person);
      if (!row) return;
      const page = await news(request, signed_in.token, row.cursor, mine, core.now());
      more = page.more;
      await remember(core.database, key, person, [...page.cases]);
      await forget(core.database, page.erased);
      await patch(core.database, "people", person, { cursor: page.cursor });
      if (page.cases.length + page.erased.length > 0) await core.changed("seen");
    }
    await core.changed("people");
  } catch (error) {
    if (!(error instanceof FeedRefused)) throw error;
    await onPersonRefused(person);
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
