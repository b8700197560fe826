/** What every screen is made of: large, named for screen readers, told apart without colour. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t, type Key } from "../words/words";
import { Icon, type IconName } from "./icons";

export function Screen({ title, back, children }: { title: string; back?: (() => void) | undefined; children: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · Pallor`;
    heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <main class="screen">
      <header class="bar">
        {back && (
          <button type="button" class="icon" aria-label={t("back")} onClick={back}>
            <Icon name="back" />
          </button>
        )}
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
      </header>
      {children}
    </main>
  );
}

interface Pressed {
  label: string;
  onPress: () => void | Promise<void>;
  icon?: IconName;
  kind?: "main" | "quiet" | "danger";
  disabled?: boolean;
}

/** Pressed twice in a hurry, it does its work once. */
export function Button({ label, onPress, icon, kind = "quiet", disabled = false }: Pressed) {
  const busy = useSignal(false);
  const press = async () => {
    if (busy.value) return;
    busy.value = true;
    try {
      await onPress();
    } finally {
      busy.value = false;
    }
  };
  return (
    <button type="button" class={`button ${kind}`} disabled={disabled} aria-busy={busy.value} onClick={() => void press()}>
      {icon && <Icon name={icon} />}
      <span>{label}</span>
    </button>
  );
}

interface Typed {
  label: string;
  value: string;
  onType: (value: string) => void;
  kind?: "text" | "password" | "month";
  mode?: "text" | "numeric" | "decimal" | "none";
  hint?: string | undefined;
  fault?: string | null | undefined;
  unit?: string | undefined;
  complete?: string;
}

export function Field({ label, value, onType, kind = "text", mode = "text", hint, fault, unit, complete = "off" }: Typed) {
  const id = useId();
  const notes = [hint && `${id}-hint`, fault && `${id}-fault`].filter(Boolean).join(" ");
  return (
    <div class={fault ? "field faulty" : "field"}>
      <label for={id}>{label}</label>
      <div class="typed">
        <input
          id={id}
          type={kind as "text"}
          inputMode={mode}
          autocomplete={complete}
          autocapitalize="off"
          spellcheck={false}
          value={value}
          aria-invalid={Boolean(fault)}
          {...(notes && { "aria-describedby": notes })}
          onInput={(event) => onType(event.currentTarget.value)}
        />
        {unit && <span class="unit">{unit}</span>}
      </div>
      {hint && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {fault && (
        <p class="fault" id={`${id}-fault`}>
          <Icon name="warn" /> {fault}
        </p>
      )}
    </div>
  );
}

interface Chosen<T extends string> {
  label: string;
  options: readonly (readonly [T, string])[];
  value: T | null | undefined;
  onChoose: (value: T) => void;
  fault?: string | null | undefined;
}

/** One of a few, all in sight. */
export function Choice<T extends string>({ label, options, value, onChoose, fault }: Chosen<T>) {
  const name = useId();
  return (
    <fieldset class={fault ? "choice faulty" : "choice"}>
      <legend>{label}</legend>
      <div class="options">
        {options.map(([code, words]) => (
          <label key={code} class="option">
            <input type="radio" name={name} checked={value === code} onChange={() => onChoose(code)} />
            <span>{words}</span>
          </label>
        ))}
      </div>
      {fault && (
        <p class="fault">
          <Icon name="warn" /> {fault}
        </p>
      )}
    </fieldset>
  );
}

export function Tick({ label, value, onTick }: { label: string; value: boolean; onTick: (value: boolean) => void }) {
  return (
    <label class="tick">
      <input type="checkbox" checked={value} onChange={(event) => onTick(event.currentTarget.checked)} />
      <span>{label}</span>
    </label>
  );
}

export type Tone = "danger" | "warn" | "info" | "good" | "plain";
const TONES: Readonly<Record<Tone, IconName>> = { danger: "stop", warn: "warn", info: "info", good: "check", plain: "clock" };

export function Card({ tone, title, children }: { tone: Tone; title: string; children?: ComponentChildren }) {
  return (
    <section class={`card ${tone}`}>
      <h2>
        <Icon name={TONES[tone]} /> {title}
      </h2>
      {children}
    </section>
  );
}

/** Asks twice before something that cannot be undone. */
export function Ask({ question, yes, onYes, onNo }: { question: string; yes: Key; onYes: () => void | Promise<void>; onNo: () => void }) {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => box.current?.showModal(), []);
  return (
    <dialog ref={box} class="ask" onCancel={onNo} aria-label={question}>
      <p>{question}</p>
      <Button label={t(yes)} kind="danger" onPress={onYes} />
      <Button label={t("cancel")} onPress={onNo} />
    </dialog>
  );
}

export type Fact = readonly [name: string, value: string];

export function Facts({ rows }: { rows: readonly Fact[] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Read out when it changes. */
export function Told({ children }: { children: ComponentChildren }) {
  return (
    <div role="status" aria-live="polite" class="told">
      {children}
    </div>
  );
}
