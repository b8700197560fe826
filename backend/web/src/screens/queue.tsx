/** What is still on this phone: record by record, with what stands in its way. */
import { useSignal } from "@preact/signals";
import type { QueueRecord } from "../port";
import { moment, said, t } from "../words/words";
import { stateWords } from "./case-row";
import { refusalWords, useFault } from "./faults";
import { go } from "./nav";
import { Ask, Button, Card, Screen, Told } from "./parts";
import { usePhone } from "./with-phone";

export function Queue() {
  const phone = usePhone();
  const { sending, queue } = phone;
  const { pause, next_try_at, all_sent } = sending.value;
  return (
    <Screen title={t("queue.title")} back={() => go("home")}>
      <Told>
        {all_sent && <Card tone="good" title={t("send.all")} />}
        {pause && <Card tone="warn" title={said("pause", pause, t("pause.server-away"))} />}
        {!all_sent && next_try_at && <p class="hint">{t("send.next", { at: moment(next_try_at) })}</p>}
      </Told>
      <ul class="list">
        {queue.value.map((record) => (
          <li key={record.submission_id}>
            {record.state.is === "put-aside" ? <PutAside record={record} /> : <Waiting record={record} />}
          </li>
        ))}
      </ul>
      <div class="thumb">
        <Button label={t("queue.now")} icon="send" kind="main" onPress={() => phone.sendNow()} />
      </div>
    </Screen>
  );
}

function Waiting({ record }: { record: QueueRecord }) {
  const { state } = record;
  return (
    <div class="row">
      <span class="grow">
        <strong>{record.subject_code ?? t("queue.sealed")}</strong> · {said("kind", record.kind, record.kind)}
        <br />
        <span class="hint">
          {moment(record.sealed_at)} · {Math.ceil(record.bytes / 1024)} KB · {stateWords(state)}
        </span>
        {state.is === "sending" && <progress aria-label={stateWords(state)} max={state.total} value={state.sent} />}
      </span>
    </div>
  );
}

function PutAside({ record }: { record: QueueRecord }) {
  const phone = usePhone();
  const asking = useSignal(false);
  const { guard, shown } = useFault();
  if (record.state.is !== "put-aside") return null;
  const { refusal } = record.state;
  return (
    <Card tone="warn" title={`${record.subject_code ?? t("queue.sealed")} · ${said("kind", record.kind, record.kind)}: ${refusalWords(refusal)}`}>
      {refusal.code !== "bytes-lost" && (
        <details>
          <summary>{t("refusal.said")}</summary>
          <p lang="en">{refusal.title}</p>
        </details>
      )}
      <p class="hint">{t(refusal.kept_by_server ? "queue.kept-there" : "queue.kept-here-only")}</p>
      {shown}
      <Button label={t("queue.again")} onPress={async () => void (await guard(() => phone.tryAgain(record.submission_id)))} />
      {record.kind === "case" && (
        <Button
          label={t("queue.anew")}
          onPress={async () => {
            const draft = await guard(() => phone.draftFrom(record.submission_id));
            if (draft) go("new", draft.draft_id);
          }}
        />
      )}
      <Button label={t("queue.discard")} kind="danger" onPress={() => void (asking.value = true)} />
      {asking.value && (
        <Ask
          question={t(refusal.kept_by_server ? "queue.discard-sure" : "queue.discard-last-sure")}
          yes="queue.discard"
          onNo={() => (asking.value = false)}
          onYes={async () => void (await guard(() => phone.discard(record.submission_id)))}
        />
      )}
    </Card>
  );
}
