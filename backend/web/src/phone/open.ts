/** The phone behind the screens, its parts joined. */
import { computed } from "@preact/signals";
import type { Device, Phone, Site } from "../port";
import { type DeviceRow, openDatabase, type SiteRow } from "../queue/database";
import { discard, takeUpAgain } from "../queue/queue";
import { clientOf } from "../server/client";
import { enrol, readCode } from "../server/device";
import { COST } from "../vault/pin";
import { forget, remember, type SeenCase } from "../vault/seen";
import { type Core, type Opened, openCore } from "./core";
import { dropDraft, keepPhoto, photoOf, saveDraft } from "./drafts";
import { finishDraft, say } from "./enqueue";
import { PhoneFault } from "./fault";
import { isHistoryLocked, knownCases, queueRecords, sendingOf, tasksOf } from "./history";
import { type Sender, senderOf } from "./sender";
import { type Shell, shellOf } from "./shell";
import { doorsOf } from "./who";

const TICK_MS = 10_000;
const FEED_EVERY_MS = 120_000;
const LOCKS_AFTER_MS = 10 * 60_000; // without a touch

/** Open the database and come alive: send what waits, listen for a network. */
export async function openPhone(): Promise<Phone> {
  const now = () => new Date();
  const database = await openDatabase(() => location.reload());
  const core = await openCore(database, clientOf(fetch.bind(globalThis), now), now, COST);
  const sender = senderOf(core);
  const shell = shellOf();
  const phone = phoneOf(core, sender, shell);
  await shell.measure();
  lockWhenLeft(core, phone.lock);
  keepSending(core, sender);
  if (import.meta.env.MODE === "probe") Object.assign(globalThis, { phone }); // for tests/journey alone
  return phone;
}

export function phoneOf(core: Core, sender: Sender, shell: Shell): Phone {
  const { database } = core;
  const inOrder = queueOfWrites();
  const doors = doorsOf(core, () => void sender.round());

  const historyLocked = computed(() => {
    const row = core.people.value.find(({ name }) => name === core.opened.value?.person);
    return isHistoryLocked(row?.contact_at ?? null, core.marks.value.latest_at, core.now());
  });
  const known = computed(() => knownCases(core.seen.value, core.queue.value, core.arrived.value, core.device.value));
  const cases = computed(() => {
    const sites = core.opened.value?.signed_in.sites ?? [];
    return historyLocked.value ? [] : known.value.filter(({ site }) => sites.includes(site));
  });
  const queue = computed(() => queueRecords(core.queue.value, core.seen.value));
  const sitesOf = (opened: Opened | null): Site[] =>
    (core.device.value?.sites ?? []).filter(({ code }) => opened?.signed_in.sites.includes(code) ?? true).map(shownSite);

  function mustBeOpen(): Opened {
    if (!core.opened.value) throw new PhoneFault("locked");
    return core.opened.value;
  }

  function mustKnow(case_id: string): string {
    const site = core.seen.value.get(case_id)?.site;
    if (!site) throw new PhoneFault("not-here");
    return site;
  }

  function mustBeDraft(draft_id: string) {
    const draft = core.drafts.value.find((each) => each.draft_id === draft_id);
    if (!draft) throw new PhoneFault("not-here");
    return draft;
  }

  async function begin(site: string, facts: object) {
    if (core.device.value?.state === "retired") throw new PhoneFault("retired");
    const draft = {
      draft_id: crypto.randomUUID(),
      case_id: crypto.randomUUID(),
      site,
      started_at: core.now().toISOString(),
      facts: { ...facts, site, visited_at: core.now().toISOString() },
    };
    await saveDraft(database, mustBeOpen(), draft);
    await core.changed("drafts");
    return mustBeDraft(draft.draft_id);
  }

  /** What somebody has just said of a case is seen here at once; the feed brings the server's own word of it. */
  async function noted(case_id: string, change: (seen: SeenCase) => Partial<SeenCase>): Promise<void> {
    const { person, key } = mustBeOpen();
    const seen = core.seen.value.get(case_id);
    if (seen) await remember(database, key, person, [{ ...seen, ...change(seen) }]);
    await core.changed("seen");
  }

  async function queued<T>(work: Promise<T>): Promise<T> {
    const done = await work;
    void shell.sendLater();
    void sender.round();
    void shell.measure();
    return done;
  }

  return {
    device: computed(() => core.device.value && shownDevice(core.device.value, sitesOf(core.opened.value))),
    wiped: sender.wiped,
    async enrol(linkOrCode) {
      await enrol(database, core.request, readCode(linkOrCode, location.origin));
      await core.changed("device");
      await Promise.all([import("../sealing/jose"), import("../vault/argon2")]); // there may be no network when they are needed
      await sender.round();
    },

    people: computed(() =>
      core.people.value.map(({ name, lock, tries_left }) => ({ name, has_pin: lock !== null, tries_left })),
    ),
    session: computed(() => {
      const opened = core.opened.value;
      return opened && { person: opened.person, sites: sitesOf(opened), sign_in_again: opened.sign_in_again };
    }),
    ...doors,

    drafts: computed(() => core.drafts.value),
    startDraft: (site) => begin(site, {}),
    saveDraft: (draft_id, facts) =>
      inOrder(async () => {
        const { case_id, site, started_at } = mustBeDraft(draft_id);
        await saveDraft(database, mustBeOpen(), { draft_id, case_id, site: facts.site ?? site, started_at, facts });
        await core.changed("drafts");
      }),
    keepPhoto: (draft_id, photo) =>
      inOrder(async () => {
        mustBeDraft(draft_id);
        await keepPhoto(database, mustBeOpen(), draft_id, photo);
        await Promise.all([core.changed("drafts"), shell.measure()]);
      }),
    async dropPhoto(draft_id, photo_id) {
      mustBeDraft(draft_id);
      await database.delete("draft_photos", photo_id);
      await core.changed("drafts");
    },
    photoOf: (_draft_id, photo_id) => photoOf(database, mustBeOpen(), photo_id),
    async dropDraft(draft_id) {
      await dropDraft(database, mustBeDraft(draft_id).draft_id);
      await core.changed("drafts");
    },
    finishDraft: (draft_id) => inOrder(() => queued(finishDraft(core, mustBeOpen(), mustBeDraft(draft_id)))),

    cases,
    historyLocked,
    queue,
    sending: computed(() =>
      sendingOf(core.queue.value, core.marks.value, { busy: sender.busy.value, pause: sender.pause.value }),
    ),
    tasks: computed(() => tasksOf(cases.value, queue.value, core.opened.value, sender.enrolAgain.value)),
    sendNow: () => sender.round(),

    async amend(case_id, body) {
      const site = mustKnow(case_id);
      const said = { kind: "amendment", site, case_id, body, amendment_id: crypto.randomUUID() } as const;
      await queued(say(core, mustBeOpen(), said));
    },
    async retake(case_id, photos) {
      await queued(say(core, mustBeOpen(), { kind: "photos", site: mustKnow(case_id), case_id, body: null }, photos));
    },
    async sayConsent(case_id, body) {
      const site = mustKnow(case_id);
      const said = { kind: "consent", site, case_id, body, consent_id: crypto.randomUUID() } as const;
      await queued(say(core, mustBeOpen(), said));
      await noted(case_id, ({ consent }) => ({ consent: { ...consent, [body.purpose]: body.given } }));
    },
    async followUp(case_id, state, note = null) {
      const body = { state, at: core.now().toISOString(), note };
      const said = { kind: "follow-up", site: mustKnow(case_id), case_id, body } as const;
      await queued(say(core, mustBeOpen(), { ...said, follow_up_id: crypto.randomUUID() }));
      await noted(case_id, () => ({ follow_up: body }));
    },
    async acknowledge(case_id, result_id) {
      const body = { at: core.now().toISOString() };
      const said = { kind: "acknowledgement", site: mustKnow(case_id), case_id, body, result_id } as const;
      await queued(say(core, mustBeOpen(), said));
    },

    tryAgain: (submission_id) => queued(takeUpAgain(database, submission_id)),
    async draftFrom(submission_id) {
      const row = core.queue.value.find((each) => each.submission_id === submission_id);
      const seen = row && core.seen.value.get(row.case_id);
      if (!seen?.facts) throw new PhoneFault("not-here");
      const { site, visited_at: _, ...facts } = seen.facts;
      return begin(site, facts);
    },
    async discard(submission_id) {
      const row = core.queue.value.find((each) => each.submission_id === submission_id);
      await discard(database, submission_id);
      if (row?.kind === "case") await forget(database, [row.case_id]);
      await core.changed("queue", "seen");
    },

    contact: sender.contact,
    storage: shell.storage,
    askToPersist: shell.askToPersist,
    updateReady: shell.updateReady,
    takeUpdate: shell.takeUpdate,
  };
}

/** Rounds by themselves: now, when the network or the page comes back, and after each wait. */
function keepSending(core: Core, sender: Sender): void {
  const ask = () => void sender.roundIfDue();
  addEventListener("online", () => void sender.round());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && ask());
  let last = 0;
  setInterval(() => {
    const waits = core.queue.value.some((row) => row.refusal === null);
    const reads = core.opened.value !== null && document.visibilityState === "visible";
    const due = waits || (reads && Date.now() - last > FEED_EVERY_MS);
    if (!due) return;
    last = Date.now();
    ask();
  }, TICK_MS);
  ask();
}

/** A phone that lies about locks itself; what was being taken is on the disk. */
function lockWhenLeft(core: Core, lock: () => void): void {
  let touched = Date.now();
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => (touched = Date.now()), { passive: true });
  const look = () => {
    if (core.opened.value && Date.now() - touched > LOCKS_AFTER_MS) lock();
  };
  setInterval(look, TICK_MS);
  document.addEventListener("visibilitychange", look);
}

/** Writes of one draft, each after the one before it: the last that was typed is the one that stays. */
function queueOfWrites(): <T>(write: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (write) => {
    const next = last.then(write, write);
    last = next.catch(() => undefined);
    return next;
  };
}

function shownDevice({ name, world, state }: DeviceRow, sites: readonly Site[]): Device {
  return { name, world, state, sites };
}

function shownSite({ code, practice, altitude_m }: SiteRow): Site {
  return { code, practice, altitude_m };
}
