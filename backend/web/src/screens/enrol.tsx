/** A phone becomes one of a clinic's: by the QR code that an administrator shows, or by its letters typed. */
import { useSignal } from "@preact/signals";
import { t } from "../words/words";
import { useFault } from "./faults";
import { Languages } from "./languages";
import { lazily } from "./lazily";
import { go, goInstead } from "./nav";
import { Button, Card, Field, Screen } from "./parts";
import { usePhone } from "./with-phone";

const Scan = lazily(async () => (await import("./scan")).Scan);

export function Enrol() {
  const phone = usePhone();
  const typed = useSignal(location.hash.includes("code=") ? location.href : "");
  const scanning = useSignal(false);
  const { guard, shown } = useFault();
  const enrol = (code: string) =>
    guard(async () => {
      await phone.enrol(code);
      void phone.askToPersist(); // what was taken must outlive a full disk; "This phone" says whether the browser agreed
      goInstead("home");
    });
  return (
    <Screen title={t("enrol.title")} back={phone.device.value ? () => go("home") : undefined}>
      <p>{t("enrol.how")}</p>
      {shown}
      {scanning.value ? (
        <Scan
          formats={["qr_code"]}
          onFound={(text) => {
            scanning.value = false;
            typed.value = text;
            void enrol(text);
          }}
          onStop={() => (scanning.value = false)}
        />
      ) : (
        <Button label={t("enrol.scan")} icon="scan" kind="main" onPress={() => void (scanning.value = true)} />
      )}
      <Field label={t("enrol.code")} value={typed.value} hint={t("enrol.code-hint")} onType={(value) => (typed.value = value)} />
      <Button label={t("enrol.do")} disabled={!typed.value.trim()} onPress={async () => void (await enrol(typed.value.trim()))} />
      <Languages />
    </Screen>
  );
}

export function Wiped() {
  return (
    <Screen title={t("wiped.title")}>
      <Card tone="danger" title={t("wiped.what")}>
        <p>{t("wiped.next")}</p>
      </Card>
    </Screen>
  );
}
