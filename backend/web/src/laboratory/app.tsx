/** Which page is shown: first who is here, then where they are. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Languages } from "../screens/languages";
import { Button, Card, Screen } from "../screens/parts";
import { t } from "../words/words";
import { Day } from "./day";
import { ask, session, signOut } from "./door";
import { Enter } from "./enter";
import { go, type Place, place, PLACES } from "./nav";
import { Password, SignIn } from "./sign-in";
import { SentBackList } from "./sent-back";
import { Upload } from "./upload";
import type { Page } from "./wire";
import { w } from "./words";
import { Worklist } from "./worklist";

export function Laboratory() {
  const who = session.value;
  if (who === undefined) return <p role="status">{t("loading")}</p>;
  if (who === null) return <SignIn />;
  if (who.needs.includes("password-change-needed")) return <Password />;
  if (who.role !== "lab") return <WrongDoor />;
  return (
    <>
      <Bar />
      <Here />
    </>
  );
}

function Here() {
  const [name, number] = place.value;
  if (name === "enter") return <Enter key={number} number={number} />;
  if (name === "upload") return <Upload />;
  if (name === "sent-back") return <SentBackList />;
  if (name === "day") return <Day />;
  return <Worklist />;
}

const TITLES: Readonly<Record<Place, () => string>> = {
  worklist: () => w("worklist.title"),
  enter: () => w("enter.title"),
  upload: () => w("upload.title"),
  "sent-back": () => w("sent-back.title"),
  day: () => w("day.title"),
};

const MOST_COUNTED = 50;

function Bar() {
  const more = useSignal(false);
  const here = place.value[0];
  const sentBack = useSignal(0);
  useEffect(() => {
    more.value = false;
    ask<Page<unknown>>(`/lab-sent-back?limit=${MOST_COUNTED}`).then(
      ({ items, next }) => (sentBack.value = items.length + (next ? 1 : 0)),
      () => {}, // the page itself says what is wrong
    );
  }, [here]);
  const waiting = sentBack.value > MOST_COUNTED ? ` (${MOST_COUNTED}+)` : sentBack.value > 0 ? ` (${sentBack.value})` : "";
  return (
    <header class="lab-bar no-print">
      <strong class="product">Pallor</strong>
      <nav aria-label={w("nav.pages")}>
        {PLACES.map((one) => (
          <a key={one} href={`#/${one}`} aria-current={here === one ? "page" : undefined}>
            {TITLES[one]()}
            {one === "sent-back" && waiting}
          </a>
        ))}
      </nav>
      <button type="button" class="who" aria-expanded={more.value} onClick={() => (more.value = !more.value)}>
        {session.value?.person}
      </button>
      {more.value && (
        <div class="who-more">
          <p class="hint">{w("nav.sites", { sites: session.value?.sites?.join(", ") ?? "" })}</p>
          <Languages />
          <Button
            label={w("sign-out")}
            onPress={async () => {
              go("worklist");
              await signOut();
            }}
          />
        </div>
      )}
    </header>
  );
}

function WrongDoor() {
  return (
    <Screen title={w("wrong-door.title")}>
      <Card tone="info" title={w("wrong-door.what")} />
      <Button label={w("sign-out")} kind="main" onPress={signOut} />
    </Screen>
  );
}
