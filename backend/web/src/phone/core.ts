/** What is in memory of what lies in the database, and how the tabs and the service worker hear of each other's changes. */
import { type Signal, signal } from "@preact/signals";
import type { Draft } from "../port";
import {
  type ArrivedRow,
  type Database,
  type DeviceRow,
  mark,
  type Marks,
  marksOf,
  type PersonRow,
  type QueueRow,
} from "../queue/database";
import { waiting } from "../queue/queue";
import type { Request } from "../server/client";
import type { SignedIn } from "../server/people";
import type { PinCost } from "../vault/pin";
import { recall, type SeenCase } from "../vault/seen";
import { recallDrafts } from "./drafts";
import { CHANNEL } from "./names";

/** Who has unlocked the phone. The key lives here alone, and nothing can export it. */
export interface Opened {
  readonly person: string;
  readonly key: CryptoKey;
  readonly signed_in: SignedIn;
  readonly sign_in_again: boolean;
}

export type Topic = "device" | "people" | "queue" | "drafts" | "seen" | "marks";

export interface Core {
  readonly database: Database;
  readonly request: Request;
  readonly now: () => Date;
  /** What a try at a PIN costs. */
  readonly cost: PinCost;
  readonly device: Signal<DeviceRow | null>;
  readonly people: Signal<readonly PersonRow[]>;
  readonly opened: Signal<Opened | null>;
  readonly drafts: Signal<readonly Draft[]>;
  readonly seen: Signal<ReadonlyMap<string, SeenCase>>;
  readonly queue: Signal<readonly QueueRow[]>;
  readonly arrived: Signal<readonly ArrivedRow[]>;
  readonly marks: Signal<Marks>;
  /** Read these anew, here and in the other tabs. */
  changed(...topics: Topic[]): Promise<void>;
  close(): void;
}

export async function openCore(database: Database, request: Request, now: () => Date, cost: PinCost): Promise<Core> {
  await noteMoment(database, now());
  const channel = new BroadcastChannel(CHANNEL);
  const core: Core = {
    database,
    request,
    now,
    cost,
    device: signal(null),
    people: signal([]),
    opened: signal(null),
    drafts: signal([]),
    seen: signal(new Map()),
    queue: signal([]),
    arrived: signal([]),
    marks: signal(await marksOf(database)),
    async changed(...topics) {
      await Promise.all(topics.map((topic) => reload(core, topic)));
      channel.postMessage(topics);
    },
    close: () => channel.close(),
  };
  channel.onmessage = ({ data }) => {
    for (const topic of data as Topic[]) void reload(core, topic);
  };
  await Promise.all((["device", "people", "queue"] as const).map((topic) => reload(core, topic)));
  return core;
}

/** A clock that is set back later opens no locked history. */
async function noteMoment(database: Database, now: Date): Promise<void> {
  const { latest_at } = await marksOf(database);
  if (now.toISOString() > (latest_at ?? "")) await mark(database, { latest_at: now.toISOString() });
}

/** Read what an open session may see: after `opened` was set. */
export async function reloadSession(core: Core): Promise<void> {
  await Promise.all([reload(core, "drafts"), reload(core, "seen")]);
}

async function reload(core: Core, topic: Topic): Promise<void> {
  const { database } = core;
  const opened = core.opened.value;
  switch (topic) {
    case "device":
      core.device.value = (await database.get("device", "device")) ?? null;
      break;
    case "people":
      core.people.value = await database.getAll("people");
      break;
    case "queue":
      core.queue.value = await waiting(database);
      core.arrived.value = await database.getAll("arrived");
      break;
    case "marks":
      core.marks.value = await marksOf(database);
      break;
    case "drafts":
      core.drafts.value = opened ? await recallDrafts(database, opened) : [];
      break;
    case "seen": {
      const found = opened ? await recall(database, opened.key, opened.person) : [];
      core.seen.value = new Map(found.map((seen) => [seen.case_id, seen]));
    }
  }
}
