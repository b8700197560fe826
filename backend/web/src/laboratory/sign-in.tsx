/** In by name and password, with a second factor for whoever has one; a password that was given is changed first. */
import { useSignal } from "@preact/signals";
import { Languages } from "../screens/languages";
import { Button, Card, Field, Screen } from "../screens/parts";
import { t } from "../words/words";
import { ask, begin, expired, signIn } from "./door";
import { useFault } from "./faults";
import { Form } from "./form";
import { w } from "./words";

export function SignIn() {
  const name = useSignal("");
  const password = useSignal("");
  const code = useSignal("");
  const { guard, code: fault, shown } = useFault();
  const asksForCode = useSignal(false);
  const come = async () => {
    const typed = { name: name.value, password: password.value, ...(code.value && { code: code.value.trim() }) };
    await guard(() => signIn(typed));
    if (fault.value === "second-factor-code-needed") asksForCode.value = true;
  };
  return (
    <Screen title={w("sign-in.title")}>
      {expired.value && <Card tone="info" title={w("sign-in.expired")} />}
      <Form onSend={come}>
        <Field label={t("sign-in.name")} value={name.value} onType={(text) => (name.value = text)} complete="username" />
        <Field
          label={t("sign-in.password")}
          value={password.value}
          onType={(text) => (password.value = text)}
          kind="password"
          complete="current-password"
        />
        {asksForCode.value && (
          <Field
            label={w("sign-in.code")}
            hint={t("sign-in.code-hint")}
            value={code.value}
            onType={(text) => (code.value = text)}
            mode="numeric"
            complete="one-time-code"
          />
        )}
        {shown}
        <Button label={t("sign-in.do")} kind="main" onPress={come} />
      </Form>
      <Languages />
    </Screen>
  );
}

export function Password() {
  const old = useSignal("");
  const chosen = useSignal("");
  const { guard, shown } = useFault();
  const change = () =>
    guard(async () => {
      await ask("/session/password", { method: "PUT", json: { old: old.value, new: chosen.value } });
      await begin();
    });
  return (
    <Screen title={t("new-password.title")}>
      <p>{t("new-password.why")}</p>
      <Form onSend={change}>
        <Field
          label={t("new-password.old")}
          value={old.value}
          onType={(text) => (old.value = text)}
          kind="password"
          complete="current-password"
        />
        <Field
          label={t("new-password.chosen")}
          hint={w("sign-in.new-hint")}
          value={chosen.value}
          onType={(text) => (chosen.value = text)}
          kind="password"
          complete="new-password"
        />
        {shown}
        <Button label={t("new-password.do")} kind="main" onPress={async () => void (await change())} />
      </Form>
    </Screen>
  );
}
