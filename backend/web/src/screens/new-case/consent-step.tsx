/** Who said yes to what, and the codes that stand for the person: never a name. */
import { useSignal } from "@preact/signals";
import { language, t } from "../../words/words";
import { faultOf } from "../faults";
import { lazily } from "../lazily";
import { Button, Card, Field, Tick } from "../parts";
import type { Step } from "./new-case";

const Scan = lazily(async () => (await import("../scan")).Scan);

export function ConsentStep({ facts, faults, say }: Step) {
  const scanning = useSignal<"subject_code" | "specimen_barcode" | null>(null);
  const consent = (purpose: "care" | "training", given: boolean) =>
    say({ consent: { [purpose]: given ? { given_at: new Date().toISOString(), wording: `${purpose}-${language.value}-1` } : null } });
  const code = (field: "subject_code" | "specimen_barcode", value: string) => say({ [field]: value.trim().toUpperCase() || null });
  return (
    <>
      <section class="read-out">
        <p>{t("consent.care-text")}</p>
        <Tick label={t("consent.care")} value={Boolean(facts.consent?.care)} onTick={(given) => consent("care", given)} />
        {faultOf(faults, "consent.care") && <p class="fault" role="alert">{faultOf(faults, "consent.care")}</p>}
      </section>
      <section class="read-out">
        <p>{t("consent.training-text")}</p>
        <Tick label={t("consent.training")} value={Boolean(facts.consent?.training)} onTick={(given) => consent("training", given)} />
      </section>
      {scanning.value ? (
        <Scan
          formats={["code_128", "qr_code"]}
          onStop={() => (scanning.value = null)}
          onFound={(text) => {
            code(scanning.value!, text);
            scanning.value = null;
          }}
        />
      ) : (
        <>
          <div class="beside">
            <Field label={t("code.subject")} value={facts.subject_code ?? ""} hint={t("code.subject-hint")} fault={faultOf(faults, "subject_code")} onType={(value) => code("subject_code", value)} />
            <Button label={t("code.scan")} icon="scan" onPress={() => void (scanning.value = "subject_code")} />
          </div>
          <div class="beside">
            <Field label={t("code.specimen")} value={facts.specimen_barcode ?? ""} hint={t("code.specimen-hint")} fault={faultOf(faults, "specimen_barcode")} onType={(value) => code("specimen_barcode", value)} />
            <Button label={t("code.scan-tube")} icon="scan" onPress={() => void (scanning.value = "specimen_barcode")} />
          </div>
        </>
      )}
      {faultOf(faults, "visited_at") && <Card tone="warn" title={faultOf(faults, "visited_at")!} />}
    </>
  );
}
