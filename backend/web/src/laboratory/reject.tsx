/** "Specimen rejected, take it again" is an answer too: the field hears of it. */
import { useSignal } from "@preact/signals";
import { Button, Choice } from "../screens/parts";
import { ask } from "./door";
import { type Entered, type Named, namedWords } from "./record";
import { useFault } from "./faults";
import type { Specimen, Taken } from "./wire";
import { w, worded } from "./words";

const WHY = ["haemolysed", "clotted", "insufficient", "unlabelled", "broken", "other"] as const;

export function Reject({ specimen, named, onDone }: { specimen: Specimen | null; named: Named; onDone: (done: Entered) => void }) {
  const why = useSignal<string | null>(null);
  const { guard, shown } = useFault();
  const business_id = useSignal(crypto.randomUUID());
  const reject = () =>
    guard(async () => {
      const line = {
        business_id: business_id.value,
        status: "specimen-rejected",
        rejected_because: why.value,
        specimen_barcode: named.tube,
        case_id: named.case_id,
      };
      const taken = await ask<Taken>("/lab-reports", { method: "POST", json: line });
      const whose = specimen?.subject_code ?? namedWords(named);
      const words = taken.state === "noted" ? w("entered.rejected", { whose }) : w("entered.rejected-later", { whose });
      onDone({ words, tone: "info", undo: null });
    });
  return (
    <>
      <h2>{w("reject.title")}</h2>
      <p>{w("reject.what")}</p>
      <Choice label={w("why")} options={WHY.map((code) => [code, worded("rejection", code, code)] as const)} value={why.value} onChoose={(code) => (why.value = code)} />
      {shown}
      <Button label={w("reject.do")} kind="main" disabled={!why.value} onPress={async () => void (await reject())} />
    </>
  );
}
