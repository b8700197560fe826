/** Signs that need no photo: whoever has one is referred now. */
import limits from "../../limits.json";
import { refersNow } from "../../facts/check";
import type { DangerSign } from "../../port";
import { said, t } from "../../words/words";
import { Card, Tick } from "../parts";
import type { Step } from "./new-case";

export function SignsStep({ facts, say }: Step) {
  const there = facts.danger_signs ?? [];
  const tick = (sign: DangerSign, on: boolean) => say({ danger_signs: on ? [...there, sign] : there.filter((one) => one !== sign) });
  return (
    <>
      <p>{t("signs.ask")}</p>
      {(limits.danger_signs as readonly DangerSign[]).map((sign) => (
        <Tick key={sign} label={said("danger", sign, sign)} value={there.includes(sign)} onTick={(on) => tick(sign, on)} />
      ))}
      <Tick label={t("signs.severe-pallor")} value={facts.severe_pallor ?? false} onTick={(on) => say({ severe_pallor: on })} />
      <Tick label={t("signs.sore-eye")} value={facts.sore_eye ?? false} onTick={(on) => say({ sore_eye: on })} />
      {refersNow(facts) && <Card tone="danger" title={t("signs.refer-now")} />}
      {facts.sore_eye && <Card tone="info" title={t("signs.sore-eye-note")} />}
    </>
  );
}
