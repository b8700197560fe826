/** The phone itself: language, room, who is here, when it last met the server. */
import { useSignal } from "@preact/signals";
import { moment, t } from "../words/words";
import { useFault } from "./faults";
import { Languages } from "./languages";
import { go } from "./nav";
import { Button, Card, Facts, Field, Screen, Told } from "./parts";
import { usePhone } from "./with-phone";

const MEGABYTE = 1024 * 1024;

export function ThisPhone() {
  const phone = usePhone();
  const { device, session, storage, contact } = phone;
  const kept = useSignal<boolean | null>(null);
  const { used_bytes, quota_bytes, persisted, low } = storage.value;
  return (
    <Screen title={t("phone.title")} back={() => go("home")}>
      <Facts
        rows={[
          [t("phone.name"), device.value?.name ?? ""],
          [t("phone.person"), session.value?.person ?? ""],
          [t("phone.sites"), session.value?.sites.map((site) => site.code).join(", ") ?? ""],
          [t("phone.contact"), contact.value.last_at ? moment(contact.value.last_at) : t("phone.never")],
          [t("phone.room"), t("phone.room-of", { used: Math.ceil(used_bytes / MEGABYTE), quota: Math.floor(quota_bytes / MEGABYTE) })],
        ]}
      />
      {low && <Card tone="warn" title={t("phone.low")} />}
      {!persisted && (
        <Card tone="info" title={t("phone.may-be-cleared")}>
          <Button label={t("phone.keep")} onPress={async () => void (kept.value = await phone.askToPersist())} />
          <Told>{kept.value === false && t("phone.not-kept")}</Told>
        </Card>
      )}
      <Languages />
      <ChangePin />
      <Button label={t("home.lock")} icon="lock" onPress={() => phone.lock()} />
    </Screen>
  );
}

function ChangePin() {
  const phone = usePhone();
  const old = useSignal("");
  const chosen = useSignal("");
  const told = useSignal("");
  const { guard, shown } = useFault();
  const change = async () => {
    told.value = "";
    await guard(async () => {
      await phone.changePin(old.value, chosen.value);
      told.value = t("phone.pin-changed");
      old.value = chosen.value = "";
    });
  };
  return (
    <details>
      <summary>{t("phone.change-pin")}</summary>
      {shown}
      <Field label={t("phone.pin-old")} kind="password" mode="numeric" value={old.value} onType={(value) => (old.value = value)} />
      <Field label={t("new-pin.first")} kind="password" mode="numeric" value={chosen.value} onType={(value) => (chosen.value = value)} />
      <Button label={t("new-pin.do")} disabled={old.value.length < 6 || chosen.value.length < 6} onPress={change} />
      <Told>{told.value}</Told>
    </details>
  );
}
