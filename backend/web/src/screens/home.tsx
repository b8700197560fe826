/** Today: what is to be done, the next case, what was taken. */
import { useSignal } from "@preact/signals";
import type { KnownCase, Task } from "../port";
import { count, day, said, t } from "../words/words";
import { CaseRow, stateWords } from "./case-row";
import { refusalWords, useFault } from "./faults";
import { go } from "./nav";
import { Button, Card, Choice, Screen } from "./parts";
import { usePhone } from "./with-phone";

export function Home() {
  const phone = usePhone();
  const { guard, shown } = useFault();
  const session = phone.session.value!;
  const site = useSignal(session.sites[0]?.code ?? "");
  const today = phone.cases.value.filter(isOfToday);
  const open = phone.drafts.value;
  const start = () =>
    guard(async () => {
      go("new", (await phone.startDraft(site.value)).draft_id);
    });
  return (
    <Screen title={t("home.title")}>
      <p>{day(new Date().toISOString())}</p>
      {shown}
      <Tasks tasks={phone.tasks.value} />
      {session.sites.length > 1 && (
        <Choice label={t("home.site")} options={session.sites.map((one) => [one.code, one.practice ? `${one.code} · ${t("practice")}` : one.code] as const)} value={site.value} onChoose={(code) => (site.value = code)} />
      )}
      {session.sites.find((one) => one.code === site.value)?.practice && <Card tone="info" title={t("home.practice")} />}
      {phone.device.value?.state === "retired" ? (
        <Card tone="warn" title={t("home.retired")} />
      ) : (
        <Button label={t("home.new")} icon="plus" kind="main" disabled={!site.value} onPress={async () => void (await start())} />
      )}
      {open.map((draft) => (
        <Button key={draft.draft_id} label={t("home.go-on", { code: draft.facts.subject_code ?? t("home.no-code") })} icon="camera" onPress={() => go("new", draft.draft_id)} />
      ))}
      <h2>{count("home.today", today.length)}</h2>
      {today.length > 0 && <p class="hint">{tally(today)}</p>}
      {phone.historyLocked.value && <Card tone="warn" title={t("home.history-locked")} />}
      <ul class="list">
        {today.map((one) => (
          <li key={one.case_id}>
            <CaseRow known={one} />
          </li>
        ))}
      </ul>
      <nav aria-label={t("home.elsewhere")} class="nav">
        <Button label={t("follow-ups.title")} icon="phone" onPress={() => go("follow-ups")} />
        <Button label={t("search.title")} icon="search" onPress={() => go("search")} />
        <Button label={t("phone.title")} icon="info" onPress={() => go("phone")} />
        <Button label={t("home.lock")} icon="lock" onPress={() => phone.lock()} />
      </nav>
    </Screen>
  );
}

function Tasks({ tasks }: { tasks: readonly Task[] }) {
  if (tasks.length === 0) return null;
  return (
    <section aria-label={t("tasks.title")}>
      <h2>{count("tasks.n", tasks.length)}</h2>
      <ul class="list">
        {tasks.map((task) => (
          <li key={keyOf(task)}>
            <OneTask task={task} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function OneTask({ task }: { task: Task }) {
  switch (task.is) {
    case "alert":
      return (
        <Card tone="danger" title={t("tasks.alert", { code: task.subject_code })}>
          {task.alert.escalated_at && <p>{t("alert.escalated")}</p>}
          <Button label={t("tasks.look")} kind="danger" onPress={() => go("case", task.case_id)} />
        </Card>
      );
    case "refused":
      return (
        <Card tone="warn" title={t("tasks.refused", { kind: said("kind", task.kind, task.kind), code: task.subject_code ?? t("home.no-code") })}>
          <p>{refusalWords(task.refusal)}</p>
          <Button label={t("tasks.look")} onPress={() => go("queue")} />
        </Card>
      );
    case "retake":
      return (
        <Card tone="warn" title={t("tasks.retake", { code: task.subject_code })}>
          {task.reasons.map((reason) => (
            <p key={reason}>{said("retake", reason, reason)}</p>
          ))}
          <Button label={t("tasks.take")} icon="camera" onPress={() => go("case", task.case_id)} />
        </Card>
      );
    case "sign-in-again":
      return (
        <Card tone="info" title={t("tasks.sign-in-again")}>
          <Button label={t("sign-in.do")} onPress={() => go("sign-in")} />
        </Card>
      );
    case "enrol-again":
      return (
        <Card tone="warn" title={t("tasks.enrol-again")}>
          <Button label={t("enrol.do")} onPress={() => go("enrol")} />
        </Card>
      );
  }
}

function keyOf(task: Task): string {
  if (task.is === "refused") return task.submission_id;
  return "case_id" in task ? task.is + task.case_id : task.is;
}

function tally(cases: readonly KnownCase[]): string {
  const counts = new Map<string, number>();
  for (const one of cases) counts.set(one.state.is, (counts.get(one.state.is) ?? 0) + 1);
  return [...counts].map(([state, n]) => `${n} ${stateWords({ is: state } as KnownCase["state"])}`).join(" · ");
}

function isOfToday({ visited_at }: KnownCase): boolean {
  return new Date(visited_at).toDateString() === new Date().toDateString();
}
