/** Who holds the phone: signing in with the server, and the PIN that opens it without one. */
import type { NextStep, Unlocking } from "../port";
import { type Database, DURABLE, mark, patch, type PersonRow } from "../queue/database";
import { takeUpOf } from "../queue/queue";
import { type Arrival, choosePassword, type SignedIn, signIn } from "../server/people";
import { closeJson, openJson } from "../vault/box";
import { checkPin, makeKey, openKey, rewrap, TRIES } from "../vault/pin";
import { type Core, type Opened, reloadSession } from "./core";
import { PhoneFault } from "./fault";

export interface Doors {
  signIn(name: string, password: string, code?: string): Promise<NextStep>;
  choosePassword(old: string, chosen: string): Promise<NextStep>;
  choosePin(pin: string): Promise<void>;
  unlock(name: string, pin: string): Promise<Unlocking>;
  lock(): void;
  changePin(old: string, chosen: string): Promise<void>;
}

/** @param onOpen somebody has come in */
export function doorsOf(core: Core, onOpen: () => void): Doors {
  let arrival: Arrival | null = null; // signed in with the server, and not yet in here

  async function next(arrived: Arrival): Promise<NextStep> {
    arrival = arrived;
    if (arrived.needs_password) return "new-password";
    const row = await core.database.get("people", arrived.person);
    if (core.opened.value?.person === arrived.person) {
      await enter(core.opened.value.key, arrived.person, arrived.signed_in);
      return "in";
    }
    return row?.lock ? "pin" : "new-pin";
  }

  async function enter(key: CryptoKey, person: string, signed_in: SignedIn): Promise<void> {
    await keepSignedIn(core.database, key, person, signed_in, core.now());
    await takeUpOf(core.database, person);
    await come({ person, key, signed_in, sign_in_again: false });
    arrival = null;
  }

  async function come(opened: Opened): Promise<void> {
    core.opened.value = opened;
    await reloadSession(core);
    await core.changed("people");
    onOpen();
  }

  function lock(): void {
    core.opened.value = null;
    core.drafts.value = [];
    core.seen.value = new Map();
  }

  return {
    async signIn(name, password, code) {
      const typed = { name: name.trim().toLowerCase(), password, ...(code ? { code } : {}) };
      return next(await signIn(core.database, core.request, core.now(), typed));
    },

    async choosePassword(old, chosen) {
      if (!arrival) throw new PhoneFault("sign-in-first");
      return next(await choosePassword(core.request, arrival, core.now(), { old, new: chosen }));
    },

    async choosePin(pin) {
      if (!arrival || arrival.needs_password) throw new PhoneFault("sign-in-first");
      checkPin(pin);
      const { lock, key } = await makeKey(pin, core.cost);
      await forgetPerson(core.database, arrival.person);
      const signed_in = await closeJson(key, placeOf(arrival.person), arrival.signed_in);
      const row = { name: arrival.person, lock, tries_left: TRIES, signed_in, cursor: null, contact_at: null };
      await core.database.put("people", row);
      await enter(key, arrival.person, arrival.signed_in);
    },

    async unlock(name, pin) {
      const found = await tryPin(core.database, name, (lock) => openKey(lock, pin));
      if (!("key" in found)) {
        await core.changed("people", "drafts", "seen");
        return found;
      }
      const { key, row } = found;
      if (arrival?.person === name) await enter(key, name, arrival.signed_in);
      else if (row.signed_in) {
        const signed_in = await openJson<SignedIn>(key, placeOf(name), row.signed_in);
        const over = Date.parse(signed_in.expires_at) <= core.now().getTime();
        await come({ person: name, key, signed_in, sign_in_again: over });
      }
      return { is: "in" };
    },

    lock,

    async changePin(old, chosen) {
      const person = core.opened.value?.person;
      if (!person) throw new PhoneFault("locked");
      checkPin(chosen);
      const found = await tryPin(core.database, person, (lock) => rewrap(lock, old, chosen));
      if (!("key" in found)) {
        await core.changed("people");
        if (found.is === "dropped") lock();
        throw new PhoneFault("pin-wrong");
      }
      await patch(core.database, "people", person, { lock: found.key });
    },
  };
}

/**
 * Keep what the server has just said of somebody where only their key reads it. Who was heard also ends what a clock did
 * that once ran ahead: it would lock the history for as long.
 */
export async function keepSignedIn(
  database: Database,
  key: CryptoKey,
  person: string,
  signed_in: SignedIn,
  now: Date,
): Promise<void> {
  const box = await closeJson(key, placeOf(person), signed_in);
  await patch(database, "people", person, { signed_in: box, contact_at: now.toISOString() });
  await mark(database, { latest_at: now.toISOString() });
}

/** A try is counted before it is made: who pulls the battery in between has still used it up. */
async function tryPin<T>(
  database: Database,
  name: string,
  attempt: (lock: NonNullable<PersonRow["lock"]>) => Promise<T | null>,
): Promise<{ key: T; row: PersonRow } | Exclude<Unlocking, { is: "in" }>> {
  const row = await countTry(database, name);
  if (!row?.lock) return { is: "dropped" };
  const key = await attempt(row.lock);
  if (key !== null) {
    await patch(database, "people", name, { tries_left: TRIES });
    return { key, row };
  }
  if (row.tries_left > 0) return { is: "wrong", tries_left: row.tries_left };
  await forgetPerson(database, name);
  await database.put("people", { name, lock: null, tries_left: 0, signed_in: null, cursor: null, contact_at: null });
  return { is: "dropped" };
}

async function countTry(database: Database, name: string): Promise<PersonRow | null> {
  const tx = database.transaction("people", "readwrite", DURABLE);
  const row = await tx.store.get(name);
  const counted = row?.lock && row.tries_left > 0 ? { ...row, tries_left: row.tries_left - 1 } : null;
  if (counted) await tx.store.put(counted);
  await tx.done;
  return counted;
}

/** Everything under a person's key; the queue is not. */
async function forgetPerson(database: Database, person: string): Promise<void> {
  const tx = database.transaction(["people", "drafts", "draft_photos", "seen"], "readwrite", DURABLE);
  const photos = tx.objectStore("draft_photos");
  for (const draft of await tx.objectStore("drafts").index("person").getAll(person)) {
    for (const id of await photos.index("draft_id").getAllKeys(draft.draft_id)) await photos.delete(id);
    await tx.objectStore("drafts").delete(draft.draft_id);
  }
  for (const key of await tx.objectStore("seen").index("person").getAllKeys(person)) {
    await tx.objectStore("seen").delete(key);
  }
  await tx.objectStore("people").delete(person);
  await tx.done;
}

function placeOf(person: string): string {
  return `people/${person}`;
}
