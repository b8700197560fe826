/** Another version lies ready: offered between two cases, never forced. */
import { t } from "../words/words";
import { place } from "./nav";
import { Button } from "./parts";
import { usePhone } from "./with-phone";

export function UpdateOffer() {
  const phone = usePhone();
  if (!phone.updateReady.value || place.value[0] !== "home") return null;
  return (
    <aside class="card info">
      <p>{t("update.ready")}</p>
      <Button label={t("update.take")} onPress={() => phone.takeUpdate()} />
    </aside>
  );
}
