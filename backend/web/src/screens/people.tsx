/** Who holds the phone: by PIN, which works without a network, or by name and password, which needs one. */
import { useSignal } from "@preact/signals";
import type { NextStep } from "../port";
import { count, said, t } from "../words/words";
import { useFault } from "./faults";
import { Languages } from "./languages";
import { go, goInstead } from "./nav";
import { Button, Card, Field, Screen, Told } from "./parts";
import { usePhone } from "./with-phone";

type Step =
  | { at: "list" | "new-pin" | "another-pin" }
  | { at: "pin" | "new-password"; name: string }
  | { at: "password"; name: string; forgotten?: boolean };

/** `begin`, `leave`: for somebody who is in already, and signs in again. */
export function People({ begin = { at: "list" }, leave }: { begin?: Step; leave?: () => void }) {
  const phone = usePhone();
  const step = useSignal<Step>(begin);
  const back = leave ?? (() => (step.value = { at: "list" }));
  const now = step.value;
  // Who forgot theirs chooses another; everybody else keeps the PIN that they have, and what only it opens.
  const next = (at: NextStep, name: string, forgotten = false) => {
    if (at === "in") leave?.();
    else if (at === "pin" && forgotten) step.value = { at: "another-pin" };
    else step.value = { at, name };
  };
  if (now.at === "pin")
    return <Pin name={now.name} back={back} came={leave} forgotten={() => (step.value = { at: "password", name: now.name, forgotten: true })} />;
  if (now.at === "password") return <Password name={now.name} back={back} next={(at, name) => next(at, name, now.forgotten)} />;
  if (now.at === "new-password") return <NewPassword back={back} next={(at) => next(at, now.name)} />;
  if (now.at === "new-pin" || now.at === "another-pin") return <NewPin back={back} came={leave} again={now.at === "another-pin"} />;
  const waiting = phone.queue.value.length;
  const enrolAgain = phone.tasks.value.some((task) => task.is === "enrol-again");
  return (
    <Screen title={t("people.title")}>
      <p>{t("people.phone", { name: phone.device.value?.name ?? "" })}</p>
      {waiting > 0 && <Card tone="info" title={count("people.waiting", waiting)} />}
      {enrolAgain && (
        <Card tone="warn" title={t("tasks.enrol-again")}>
          <Button label={t("enrol.do")} onPress={() => go("enrol")} />
        </Card>
      )}
      <ul class="list">
        {phone.people.value.map((person) => (
          <li key={person.name}>
            <Button
              label={person.name}
              icon="lock"
              kind="main"
              onPress={() => void (step.value = { at: person.has_pin ? "pin" : "password", name: person.name })}
            />
          </li>
        ))}
      </ul>
      <Button label={t("people.another")} icon="plus" onPress={() => void (step.value = { at: "password", name: "" })} />
      <Languages />
    </Screen>
  );
}

/** The server takes their token no longer: they are in, and stay in. */
export function SignInAgain() {
  const { session } = usePhone();
  return <People begin={{ at: "password", name: session.value!.person }} leave={() => goInstead("home")} />;
}

function Pin({ name, back, came, forgotten }: { name: string; back: () => void; came: (() => void) | undefined; forgotten: () => void }) {
  const phone = usePhone();
  const pin = useSignal("");
  const told = useSignal<string | null>(null);
  const unlock = async () => {
    const answer = await phone.unlock(name, pin.value);
    pin.value = "";
    if (answer.is === "in") came?.();
    if (answer.is === "wrong") told.value = t("pin.wrong", { n: answer.tries_left });
    if (answer.is === "dropped") told.value = t("pin.dropped");
  };
  return (
    <Screen title={name} back={back}>
      <form onSubmit={(event) => (event.preventDefault(), void unlock())}>
        <Field label={t("pin.label")} kind="password" mode="numeric" value={pin.value} fault={told.value} onType={(value) => (pin.value = value)} />
        <Button label={t("pin.unlock")} kind="main" disabled={pin.value.length < 6} onPress={unlock} />
      </form>
      <Button label={t("pin.forgotten")} onPress={forgotten} />
    </Screen>
  );
}

function Password({ name: known, back, next }: { name: string; back: () => void; next: (step: NextStep, name: string) => void }) {
  const phone = usePhone();
  const name = useSignal(known);
  const password = useSignal("");
  const code = useSignal("");
  const { guard, shown } = useFault();
  const signIn = async () => {
    const step = await guard(() => phone.signIn(name.value.trim(), password.value, code.value.trim() || undefined));
    if (step) next(step, name.value.trim().toLowerCase());
  };
  return (
    <Screen title={t("sign-in.title")} back={back}>
      <p>{t("sign-in.needs-network")}</p>
      {shown}
      <Field label={t("sign-in.name")} value={name.value} complete="username" onType={(value) => (name.value = value)} />
      <Field label={t("sign-in.password")} kind="password" value={password.value} complete="current-password" onType={(value) => (password.value = value)} />
      <Field label={t("sign-in.code")} mode="numeric" hint={t("sign-in.code-hint")} value={code.value} onType={(value) => (code.value = value)} />
      <Button label={t("sign-in.do")} kind="main" disabled={!name.value || !password.value} onPress={signIn} />
    </Screen>
  );
}

function NewPassword({ back, next }: { back: () => void; next: (step: NextStep) => void }) {
  const phone = usePhone();
  const old = useSignal("");
  const chosen = useSignal("");
  const { guard, shown } = useFault();
  const change = async () => {
    const step = await guard(() => phone.choosePassword(old.value, chosen.value));
    if (step) next(step);
  };
  return (
    <Screen title={t("new-password.title")} back={back}>
      <p>{t("new-password.why")}</p>
      {shown}
      <Field label={t("new-password.old")} kind="password" value={old.value} onType={(value) => (old.value = value)} />
      <Field label={t("new-password.chosen")} kind="password" value={chosen.value} complete="new-password" onType={(value) => (chosen.value = value)} />
      <Button label={t("new-password.do")} kind="main" disabled={!old.value || !chosen.value} onPress={change} />
    </Screen>
  );
}

/** `again`: there is one already, and choosing another drops what only it opens. */
export function NewPin({ back, came, again }: { back: () => void; came: (() => void) | undefined; again: boolean }) {
  const phone = usePhone();
  const pin = useSignal("");
  const twice = useSignal("");
  const { guard, shown } = useFault();
  const differ = twice.value.length >= pin.value.length && pin.value !== twice.value;
  return (
    <Screen title={t("new-pin.title")} back={back}>
      <p>{t("new-pin.why")}</p>
      {again && <Card tone="warn" title={t("new-pin.drops")} />}
      {shown}
      <Field label={t("new-pin.first")} kind="password" mode="numeric" value={pin.value} onType={(value) => (pin.value = value)} />
      <Field
        label={t("new-pin.again")}
        kind="password"
        mode="numeric"
        value={twice.value}
        fault={differ && twice.value ? said("fault", "pins-differ", "") : null}
        onType={(value) => (twice.value = value)}
      />
      <Button
        label={t("new-pin.do")}
        kind="main"
        disabled={pin.value.length < 6 || pin.value !== twice.value}
        onPress={() =>
          guard(async () => {
            await phone.choosePin(pin.value);
            came?.();
          })
        }
      />
      <Told>{null}</Told>
    </Screen>
  );
}
