/** What has been sent and what has not: in sight on every screen, and never better than it is. */
import { count, moment, said, t } from "../words/words";
import { Icon } from "./icons";
import { go } from "./nav";
import { usePhone } from "./with-phone";

export function SendState() {
  const { sending } = usePhone();
  const { all_sent, busy, waiting, put_aside, pause, sent_bytes, total_bytes, next_try_at } = sending.value;
  const share = total_bytes ? Math.floor((100 * sent_bytes) / total_bytes) : 0;
  const words = all_sent
    ? t("send.all")
    : busy && !pause && sent_bytes > 0 // trying is not sending
      ? t("send.busy", { n: waiting, share })
      : waiting
        ? count("send.waiting", waiting)
        : count("send.aside", put_aside);
  return (
    <button type="button" class={`send-state ${all_sent ? "good" : put_aside ? "warn" : "info"}`} onClick={() => go("queue")}>
      <Icon name={all_sent ? "check" : put_aside ? "warn" : "send"} />
      <span role="status">
        {words}
        {!all_sent && pause && <> · {said("pause", pause, t("pause.server-away"))}</>}
        {!all_sent && !busy && !pause && next_try_at && <> · {t("send.next", { at: moment(next_try_at) })}</>}
      </span>
    </button>
  );
}
