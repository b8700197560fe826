/** What the screens may ask of the phone. Types and one interface; no code stands here.
 *
 * `phone/open.ts` gives the real one (`openPhone()`); a test may give another. What changes by itself is a signal, what
 * somebody does is a function. A function that fails throws `PhoneFault` (phone/fault.ts) with a stable `code` for the
 * words in `words/*.json` (`fault.<code>`); nothing else is ever thrown on purpose.
 *
 * Names in snake_case are the server's own (backend/wire): what the phone seals is the body of the open route.
 * Moments are RFC 3339 text in UTC ("2026-11-27T20:00:00Z"), sizes are bytes, ages completed months, altitudes metres.
 */
import type { ReadonlySignal } from "@preact/signals";

export interface Phone {
  // ---- who this phone is -------------------------------------------------------------------------------------------

  /** null until it is enrolled, and again after it was wiped. */
  readonly device: ReadonlySignal<Device | null>;
  /** True once the server said that this phone was stolen and everything on it is gone. */
  readonly wiped: ReadonlySignal<boolean>;
  /** By the link of the QR code, or by its code typed ("7K2QH-93XVB"). Faults: `code-unreadable`, `link-elsewhere` (its
   * `detail` is the address to open), `code-refused`, `offline`, `portal`, `too-many-tries`, `server-away`. */
  enrol(linkOrCode: string): Promise<void>;

  // ---- who holds it ------------------------------------------------------------------------------------------------

  /** Everybody who has signed in here, by name. */
  readonly people: ReadonlySignal<readonly PersonHere[]>;
  /** Who has unlocked it; null while it is locked. */
  readonly session: ReadonlySignal<Session | null>;
  /** Needs the network. What is to be done next; after `in` the session is open. Faults: `password-wrong`,
   * `second-factor-needed` (call again with `code`), `site-not-shared`, `browser-needed`, `offline`, `portal`, `too-many-tries`. */
  signIn(name: string, password: string, code?: string): Promise<NextStep>;
  /** After `new-password`. Fault: `password-unfit` (its `detail` is the server's own sentence). */
  choosePassword(old: string, chosen: string): Promise<NextStep>;
  /** After `new-pin`; or after `pin` by somebody who forgot theirs: history and drafts here are dropped then, the
   * queue stays. Faults: `pin-short`, `pin-not-digits`, `pin-easy`. */
  choosePin(pin: string): Promise<void>;
  /** Without a network, for weeks. */
  unlock(name: string, pin: string): Promise<Unlocking>;
  lock(): void;
  /** Fault: `pin-wrong` (it counts as a try), and those of `choosePin`. */
  changePin(old: string, chosen: string): Promise<void>;

  // ---- a case that is being taken ----------------------------------------------------------------------------------

  /** Of the open session, newest first; each survives a dead battery. Encrypted under the person's key. */
  readonly drafts: ReadonlySignal<readonly Draft[]>;
  /** A fresh draft with ids of its own; nothing is asked twice if it is left and opened again. Fault: `retired`. */
  startDraft(site: string): Promise<Draft>;
  /** Write what is known so far: call it on every change, it is cheap and in order. */
  saveDraft(draft_id: string, facts: DraftFacts): Promise<void>;
  /** Keep a photo the moment it is taken: the promise resolves when it is durable, not before. Faults: `storage-full`,
   * `photo-type`. */
  keepPhoto(draft_id: string, photo: TakenPhoto): Promise<void>;
  dropPhoto(draft_id: string, photo_id: string): Promise<void>;
  /** To be shown again; only while it is a draft. */
  photoOf(draft_id: string, photo_id: string): Promise<Blob>;
  dropDraft(draft_id: string): Promise<void>;
  /** Seal it and put it into the queue, in one transaction; the draft is gone then and nobody here can reopen it.
   * Fault: `draft-unfit` (its `faults` name the fields, as `facts/check.ts` does), `no-sealing-key` (this phone has not met
   * the server since it was enrolled; the draft stays), `too-large`, `storage-full`. */
  finishDraft(draft_id: string): Promise<string>;

  // ---- what became of it -------------------------------------------------------------------------------------------

  /** What may be seen again: at most 90 days and 2 000 cases, newest first, of the sites of the open session. Empty while
   * locked, and while `historyLocked`. */
  readonly cases: ReadonlySignal<readonly KnownCase[]>;
  /** No contact for 30 days: nothing old is shown until there is, taking cases goes on. */
  readonly historyLocked: ReadonlySignal<boolean>;
  /** Of what is still here, oldest first: also while locked (then without codes). */
  readonly queue: ReadonlySignal<readonly QueueRecord[]>;
  readonly sending: ReadonlySignal<Sending>;
  /** What somebody has to do, most urgent first: alerts, refusals, retakes, signing in again. */
  readonly tasks: ReadonlySignal<readonly Task[]>;
  /** Ask the server now: send, then read the feed. Never throws; what comes of it is in the signals. */
  sendNow(): Promise<void>;

  // ---- what is said later about a case; each is sealed and queued as the case was ---------------------------------

  /** `reason`: 3 to 300 characters, no names. */
  amend(case_id: string, amendment: Amendment): Promise<void>;
  /** Photos for a case that is on record, after the server asked for another. */
  retake(case_id: string, photos: readonly TakenPhoto[]): Promise<void>;
  sayConsent(case_id: string, statement: ConsentStatement): Promise<void>;
  /** `note`: one of limits.json, `follow_up.notes`. */
  followUp(case_id: string, state: FollowUpState, note?: string | null): Promise<void>;
  acknowledge(case_id: string, result_id: string): Promise<void>;

  // ---- what the server refused -------------------------------------------------------------------------------------

  /** Ask the server again: for what an administrator has taken in by now, or what is right by now (a clock, an account). */
  tryAgain(submission_id: string): Promise<void>;
  /** A new draft with the facts of a refused case, as far as the open session still holds them; photos are sealed and
   * cannot come along. Fault: `not-here`. */
  draftFrom(submission_id: string): Promise<Draft>;
  /** Let the phone's copy go. Unless `refusal.kept_by_server` it is the last one: ask twice. */
  discard(submission_id: string): Promise<void>;

  // ---- the phone itself --------------------------------------------------------------------------------------------

  readonly contact: ReadonlySignal<Contact>;
  readonly storage: ReadonlySignal<Storage>;
  /** Ask the browser never to evict; true when it agrees. Call it from a tap. */
  askToPersist(): Promise<boolean>;
  /** Another version lies ready. It is never forced: `takeUpdate` reloads the page; offer it between two cases. */
  readonly updateReady: ReadonlySignal<boolean>;
  takeUpdate(): Promise<void>;
}

export interface Device {
  readonly name: string;
  /** Both what the phone and, in an open session, what the person reaches. */
  readonly sites: readonly Site[];
  readonly world: "real" | "synthetic";
  /** `retired`: it delivers what it had sealed, and takes no new case. */
  readonly state: "active" | "retired";
}

export interface Site {
  readonly code: string;
  readonly practice: boolean;
  /** Where the site stands; null when the server does not say. It counts for nobody who has not said "lives here". */
  readonly altitude_m: number | null;
}

export interface PersonHere {
  readonly name: string;
  /** False after ten wrong PINs, or before the first was chosen: sign in with the password, then choose one. */
  readonly has_pin: boolean;
  readonly tries_left: number;
}

export interface Session {
  readonly person: string;
  /** Where both the person and the phone belong. */
  readonly sites: readonly Site[];
  /** The server takes this sign-in no longer: sending in this phone's name goes on, the feed stands still. */
  readonly sign_in_again: boolean;
}

/** `pin`: this person has one here; `unlock` with it, or `choosePin` if it is forgotten. */
export type NextStep = "new-password" | "new-pin" | "pin" | "in";

export type Unlocking =
  | { readonly is: "in" }
  | { readonly is: "wrong"; readonly tries_left: number }
  /** Ten were wrong: the key of history and drafts is gone; what waits to be sent is not. */
  | { readonly is: "dropped" };

// ---- a case, in the server's own words (backend/wire/received.py, CaseIn) -----------------------------------------

export type Sex = "female" | "male" | "unknown";
export type Pregnancy = "no" | "yes" | "unknown";
export type Smoking = "no" | "<10" | "10-19" | ">=20" | "unknown";
export type DangerSign =
  | "unable-to-drink"
  | "vomits-everything"
  | "convulsions"
  | "lethargic"
  | "breathless"
  | "heart-racing";

export interface Consent {
  readonly given_at: string;
  /** The version of the text that was read out: "care-en-1". */
  readonly wording: string;
}

export interface SubjectFacts {
  readonly age_months?: number | null;
  /** "2024-05"; either this or `age_months`. */
  readonly birth_month?: string | null;
  readonly sex: Sex;
  readonly pregnancy?: Pregnancy | null;
  readonly trimester?: 1 | 2 | 3 | null;
  readonly pregnancy_weeks?: number | null;
  readonly altitude_m?: number | null;
  readonly altitude_source?: "residence" | "lives-at-site" | null;
  /** Asked from 15 years. */
  readonly smoking?: Smoking | null;
}

/** What is sealed as the body of a case. */
export interface CaseFacts {
  readonly site: string;
  readonly subject_code: string;
  readonly visited_at: string;
  readonly subject: SubjectFacts;
  readonly consent: { readonly care: Consent; readonly training?: Consent | null };
  readonly danger_signs: readonly DangerSign[];
  readonly severe_pallor: boolean;
  readonly sore_eye: boolean;
  readonly specimen_barcode?: string | null;
}

/** As far as it is known. `visited_at` is set when the draft is started, and may be corrected. */
export interface DraftFacts extends Partial<Omit<CaseFacts, "subject" | "consent">> {
  readonly subject?: Partial<SubjectFacts>;
  readonly consent?: { readonly care?: Consent | null; readonly training?: Consent | null };
  /** Where the person was in the questions; the phone keeps it and reads nothing in it. */
  readonly step?: string;
}

export interface Draft {
  readonly draft_id: string;
  readonly case_id: string;
  readonly site: string;
  readonly started_at: string;
  readonly facts: DraftFacts;
  readonly photos: readonly DraftPhoto[];
}

export interface DraftPhoto {
  readonly photo_id: string;
  readonly eye: Eye | null;
  readonly captured_at: string;
  /** Of the region, and of the crop around it; 0 without one. */
  readonly bytes: number;
  readonly context_bytes: number;
}

export type Eye = "left" | "right";
export type MediaType = "image/png" | "image/jpeg" | "image/webp";

/** One look at an eye, as the camera gives it: no metadata in the bytes. */
export interface TakenPhoto {
  readonly photo_id: string;
  readonly captured_at: string;
  readonly eye: Eye | null;
  /** The masked region: `Blob.type` is its media type. */
  readonly region: Blob;
  /** Eyelid and sclera around it: dropped at `finishDraft` unless the person consented to training. */
  readonly context: { readonly photo_id: string; readonly image: Blob } | null;
  readonly capture: CaptureFacts;
}

export interface CaptureFacts {
  readonly phone_model: string | null;
  readonly torch: boolean | null;
  readonly exposure_ms: number | null;
  readonly iso: number | null;
  readonly focus_m: number | null;
  readonly white_balance_k: number | null;
  readonly source: "camera" | "gallery";
  /** Of the region's outline: x, y as shares of the photo, 0 to 1; at most 16. */
  readonly handles: readonly (readonly [number, number])[] | null;
}

// ---- what is known again (backend/wire/out.py, CaseOut) -------------------------------------------------------------

export interface KnownCase {
  readonly case_id: string;
  readonly site: string;
  readonly practice: boolean;
  readonly subject_code: string;
  readonly visited_at: string;
  readonly subject: KnownSubject;
  readonly danger_signs: readonly DangerSign[];
  readonly severe_pallor: boolean;
  readonly sore_eye: boolean;
  readonly specimen_barcode: string | null;
  readonly consent: { readonly care: boolean; readonly training: boolean };
  /** Taken on this phone by whoever is signed in. */
  readonly mine: boolean;
  readonly state: RecordState;
  /** The server's words; null while it has said none. The phone has no advice of its own, but danger signs speak at once:
   * `facts/check.ts` `refersNow(facts)`. */
  readonly advice: Advice | null;
  readonly label: Label | null;
  /** Every value that the laboratory sent, as they came; what was corrected stays, marked. */
  readonly results: readonly LabResult[];
  readonly photos: readonly KnownPhoto[];
  readonly alert: Alert | null;
  readonly follow_up: FollowUp | null;
  readonly amended: boolean;
  readonly warnings: readonly string[];
  /** Corrections, follow-ups and the like that still wait on this phone. */
  readonly waiting: readonly SealedKind[];
}

/** As on record; of a case that waits, as it was typed. */
export interface KnownSubject extends SubjectFacts {
  readonly age_months: number;
}

/** Never better than it is. `received`: the receipt named every digest that was sent. */
export type RecordState =
  | { readonly is: "queued" }
  | { readonly is: "sending"; readonly sent: number; readonly total: number }
  | { readonly is: "put-aside"; readonly refusal: Refusal }
  | { readonly is: "received" | "scored" | "retake" | "confirmed" };

export interface Advice {
  readonly code:
    | "refer-now"
    | "refer-for-blood-test"
    | "retake-photo"
    | "wait-for-score"
    | "low-chance"
    | "follow-laboratory-result";
  /** The server's sentence, in English; to be shown as it is where `advice.<code>` has no translation for its reasons. */
  readonly words: string;
  readonly reasons: readonly string[];
}

export interface Label {
  readonly lab_result_id: string;
  readonly table: string;
  readonly group: string | null;
  readonly hb_value: string;
  readonly hb_unit: string;
  readonly hb_g_per_l: string;
  readonly adjusted_g_per_l: string;
  readonly altitude: "adjusted" | "not adjusted";
  readonly severity: string | null;
  readonly anaemic: boolean | null;
  readonly no_criterion: string | null;
  readonly supersedes: string | null;
  readonly derived_at: string;
}

export interface LabResult {
  readonly result_id: string;
  readonly hb_value: string;
  readonly hb_unit: string;
  readonly hb_g_per_l: string;
  readonly taken_at: string;
  readonly supersedes: string | null;
  /** Another corrects it: it stands no more. */
  readonly superseded: boolean;
}

export interface KnownPhoto {
  readonly photo_id: string;
  readonly state: "uploading" | "waiting" | "refused" | "scored";
  readonly refusal: string | null;
  /** Why another is asked for: codes of `retake.<code>`, or the server's own words. */
  readonly retake: readonly string[];
}

/** A value below 70 g/L that stands. */
export interface Alert {
  readonly result_id: string;
  readonly since: string;
  readonly state: "open" | "escalated" | "acknowledged";
  readonly acknowledged_at: string | null;
  readonly escalated_at: string | null;
}

export type FollowUpState = "to-call" | "reached" | "referred" | "treated" | "lost";

export interface FollowUp {
  readonly state: FollowUpState;
  /** null: nobody has said a word yet, the label alone asks for a call. */
  readonly at: string | null;
  readonly note: string | null;
}

/** Only what is named changes (backend/wire/received.py, AmendmentIn). */
export interface Amendment {
  readonly changes: {
    readonly visited_at?: string;
    readonly subject?: Partial<Omit<SubjectFacts, "birth_month">>;
    readonly danger_signs?: readonly DangerSign[];
    readonly severe_pallor?: boolean;
    readonly sore_eye?: boolean;
    readonly specimen_barcode?: string;
  };
  /** Facts that turned out not to be known after all: limits.json, `forgettable`. */
  readonly forget?: readonly Forgettable[];
  readonly reason: string;
}

export type Forgettable =
  | "subject.altitude_m"
  | "subject.trimester"
  | "subject.pregnancy_weeks"
  | "subject.smoking"
  | "specimen_barcode";

export interface ConsentStatement {
  readonly purpose: "care" | "training";
  readonly given: boolean;
  readonly at: string;
  readonly wording: string;
}

// ---- the queue ------------------------------------------------------------------------------------------------------

export type SealedKind = "case" | "photos" | "amendment" | "consent" | "follow-up" | "acknowledgement";

export interface QueueRecord {
  readonly submission_id: string;
  readonly kind: SealedKind;
  readonly case_id: string;
  readonly site: string;
  readonly person: string;
  readonly sealed_at: string;
  readonly bytes: number;
  readonly state: Extract<RecordState, { is: "queued" | "sending" | "put-aside" }>;
  readonly attempts: number;
  /** From the open session's history; null while locked. */
  readonly subject_code: string | null;
}

/** Why the server would not have it: an RFC 9457 problem. */
export interface Refusal {
  readonly code: string;
  readonly title: string;
  readonly faults: readonly { readonly field: string; readonly message: string; readonly remedy: string }[];
  readonly at: string;
  /** It was put aside there, too: an administrator can take it in again, and `discard` loses nothing. */
  readonly kept_by_server: boolean;
}

export interface Sending {
  /** Nothing waits, nothing was put aside, and each receipt named every digest. */
  readonly all_sent: boolean;
  readonly waiting: number;
  readonly put_aside: number;
  readonly sent_bytes: number;
  readonly total_bytes: number;
  /** A sender is at work, here or in another tab. */
  readonly busy: boolean;
  /** null while nothing stands in the way. */
  readonly pause: Pause | null;
  /** When it will try again by itself. */
  readonly next_try_at: string | null;
}

/** `offline`: no network. `portal`: a login page answered in the server's place. `server-away`: 5xx, or it took too long.
 * `token-refused`: 401; what waits is kept, an administrator enrols the phone again.
 * `too-many`: 429. */
export type Pause = "offline" | "portal" | "server-away" | "token-refused" | "too-many";

export type Task =
  | { readonly is: "alert"; readonly case_id: string; readonly subject_code: string; readonly alert: Alert }
  | {
      readonly is: "refused";
      readonly submission_id: string;
      readonly kind: SealedKind;
      readonly case_id: string;
      readonly subject_code: string | null;
      readonly refusal: Refusal;
    }
  | {
      readonly is: "retake";
      readonly case_id: string;
      readonly subject_code: string;
      readonly reasons: readonly string[];
    }
  | { readonly is: "sign-in-again" }
  | { readonly is: "enrol-again" };

export interface Contact {
  /** What the last try found, not what the browser believes. */
  readonly is: "unknown" | "online" | "offline" | "portal";
  readonly last_at: string | null;
}

export interface Storage {
  readonly used_bytes: number;
  /** What the browser allows this app; 0 when it does not say. */
  readonly quota_bytes: number;
  /** null where the browser cannot be asked. */
  readonly persisted: boolean | null;
  /** Less than 50 MB are left. */
  readonly low: boolean;
}
