/** Who holds the phone: by PIN, which works without a network, or by name and password, which needs one. */
import { useSignal } from "@preact/signals";
import type { NextStep, PersonHere } from "../port";
import { count, said, t } from "../words/words";
import { useFault } from "./faults";
import { Languages } from "./languages";
import { Button, Card, Field, Screen, Told } from "./parts";
import { usePhone } from "./with-phone";

type Step = { at: "list" } | { at: "pin"; person: PersonHere } | { at: "password"; name: string } | { at: NextStep; name: string };

export function People() {
  const phone = usePhone();
  const step = useSignal<Step>({ at: "list" });
  const back = () => (step.value = { at: "list" });
  const now = step.value;
  if (now.at === "pin" && "person" in now)
    return <Pin person={now.person} back={back} forgotten={() => (step.value = { at: "password", name: now.person.name })} />;
  if (now.at === "password")
    return <Password name={now.name} back={back} next={(at, name) => (step.value = { at, name } as Step)} />;
  if (now.at === "new-password" && "name" in now)
    return <NewPassword back={back} next={(at) => (step.value = { at, name: now.name } as Step)} />;
  if (now.at === "new-pin" || now.at === "pin") return <NewPin back={back} again={now.at === "pin"} />;
  const waiting = phone.queue.value.length;
  return (
    <Screen title={t("people.title")}>
      <p>{t("people.phone", { name: phone.device.value?.name ?? "" })}</p>
      {waiting > 0 && <Card tone="info" title={count("people.waiting", waiting)} />}
      <ul class="list">
        {phone.people.value.map((person) => (
          <li key={person.name}>
            <Button
              label={person.name}
              icon="lock"
              kind="main"
              onPress={() => void (step.value = person.has_pin ? { at: "pin", person } : { at: "password", name: person.name })}
            />
          </li>
        ))}
      </ul>
      <Button label={t("people.another")} icon="plus" onPress={() => void (step.value = { at: "password", name: "" })} />
      <Languages />
    </Screen>
  );
}

function Pin({ person, back, forgotten }: { person: PersonHere; back: () => void; forgotten: () => void }) {
  const phone = usePhone();
  const pin = useSignal("");
  const told = useSignal<string | null>(null);
  const unlock = async () => {
    const answer = await phone.unlock(person.name, pin.value);
    pin.value = "";
    if (answer.is === "wrong") told.value = t("pin.wrong", { n: answer.tries_left });
    if (answer.is === "dropped") told.value = t("pin.dropped");
  };
  return (
    <Screen title={person.name} back={back}>
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
    if (step && step !== "in") next(step, name.value.trim());
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
    if (step && step !== "in") next(step);
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
export function NewPin({ back, again }: { back: () => void; again: boolean }) {
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
        onPress={async () => void (await guard(() => phone.choosePin(pin.value)))}
      />
      <Told>{null}</Told>
    </Screen>
  );
}
