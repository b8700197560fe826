/** A button for what is given up: it asks why first, and that stays on record. */
import { useSignal } from "@preact/signals";
import { Button, Field } from "../screens/parts";
import { t } from "../words/words";
import { w } from "./words";

export function Dismiss({ label, onDismiss }: { label: string; onDismiss: (reason: string) => Promise<unknown> }) {
  const open = useSignal(false);
  const reason = useSignal("");
  const drop = async () => void (await onDismiss(reason.value.trim()));
  if (!open.value) return <Button label={label} onPress={() => void (open.value = true)} />;
  return (
    <div class="dismiss">
      <Field label={w("why")} hint={w("why.hint")} value={reason.value} onType={(text) => (reason.value = text)} />
      <Button label={label} kind="danger" disabled={reason.value.trim().length < 3} onPress={drop} />
      <Button label={t("cancel")} onPress={() => void (open.value = false)} />
    </div>
  );
}
