/** One photo of each eye, or of one: taken, cut to the inner lid, looked at, kept at once. */
import { type Signal, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { DraftPhoto, Eye, TakenPhoto } from "../../port";
import { t } from "../../words/words";
import { useFault } from "../faults";
import { lazily } from "../lazily";
import { Button, Card } from "../parts";
import { usePhone } from "../with-phone";
import type { Step } from "./new-case";

const TakePhoto = lazily(async () => (await import("../take-photo")).TakePhoto);

/** `eye`: which one is being photographed; null between two. */
export function PhotoStep({ draft, facts, eye }: Step & { eye: Signal<Eye | null> }) {
  const phone = usePhone();
  const { guard, shown } = useFault();
  // What cannot be kept stays before the camera; the photo that it replaces goes when it is kept, not before.
  const keep = async (photo: TakenPhoto) => {
    await phone.keepPhoto(draft.draft_id, photo);
    eye.value = null;
    for (const old of draft.photos.filter((one) => one.eye === photo.eye)) await guard(() => phone.dropPhoto(draft.draft_id, old.photo_id));
  };
  if (eye.value) return <TakePhoto eye={eye.value} training={Boolean(facts.consent?.training)} onTaken={keep} onStop={() => (eye.value = null)} />;
  return (
    <>
      <p>{t("photo.how")}</p>
      {facts.sore_eye && <Card tone="info" title={t("signs.sore-eye-note")} />}
      {shown}
      <ul class="photos">
        {draft.photos.map((photo) => (
          <li key={photo.photo_id}>
            <Kept photo={photo} load={() => phone.photoOf(draft.draft_id, photo.photo_id)} />
            <Button label={t("photo.again", { eye: t(photo.eye === "left" ? "photo.left" : "photo.right") })} icon="camera" onPress={() => void (eye.value = photo.eye ?? "right")} />
          </li>
        ))}
      </ul>
      {(["right", "left"] as const).filter((side) => !draft.photos.some((photo) => photo.eye === side)).map((side) => (
        <Button key={side} label={t(side === "left" ? "photo.take-left" : "photo.take-right")} icon="camera" kind={draft.photos.length === 0 ? "main" : "quiet"} onPress={() => void (eye.value = side)} />
      ))}
    </>
  );
}

function Kept({ photo, load }: { photo: DraftPhoto; load: () => Promise<Blob> }) {
  const url = useSignal<string | null>(null);
  useEffect(() => {
    let gone = false;
    void load().then((image) => {
      if (!gone) url.value = URL.createObjectURL(image);
    });
    return () => {
      gone = true;
      if (url.value) URL.revokeObjectURL(url.value);
    };
  }, [photo.photo_id]);
  return url.value ? <img src={url.value} alt={t("photo.kept", { eye: t(photo.eye === "left" ? "photo.left" : "photo.right") })} /> : <span>{t("loading")}</span>;
}
