/** A photo of one eye: looked for with hints, frozen, cut to the inner lid, judged as the server will judge it. */
import { useSignal } from "@preact/signals";
import { CameraView, keep, proposed, RegionEditor, type Crescent, type Kept, type Saying, type Shot } from "../capture";
import type { PhoneFault } from "../phone/fault";
import type { Eye, TakenPhoto } from "../port";
import { said, t } from "../words/words";
import { useFault, wordsOf } from "./faults";
import { Button, Card } from "./parts";

interface Given {
  eye: Eye;
  training: boolean;
  /** While it throws `PhoneFault`, the photo stays here to be kept again. */
  onTaken: (photo: TakenPhoto) => Promise<void>;
  onStop: () => void;
}

const SAYINGS: readonly Saying[] = ["looking", "ready", "nothing-seen", "closer", "further", "too-dark", "too-bright", "glare", "blurred"];

export function TakePhoto({ eye, training, onTaken, onStop }: Given) {
  const shot = useSignal<Shot | null>(null);
  const crescent = useSignal<Crescent | null>(null);
  const kept = useSignal<Kept | null>(null);
  const trouble = useSignal<string | null>(null);
  const { guard, shown } = useFault();
  const again = () => {
    shot.value = crescent.value = kept.value = null;
  };
  const taken = (found: Shot) => {
    trouble.value = null;
    shot.value = found;
    crescent.value = proposed(found.frame);
  };
  const cut = () =>
    guard(async () => {
      const made = await keep(shot.value!, crescent.value!, eye, training);
      if (made.quality.reasons.length === 0) await onTaken(made.photo);
      else kept.value = made;
    });
  if (kept.value)
    return (
      <>
        <Card tone="warn" title={t("camera.would-be-refused")}>
          <ul>
            {kept.value.quality.reasons.map((reason) => (
              <li key={reason}>{said("retake", reason, reason)}</li>
            ))}
          </ul>
        </Card>
        {shown}
        <Button label={t("camera.again")} icon="camera" kind="main" onPress={again} />
        <Button label={t("camera.keep-anyway")} onPress={() => guard(() => onTaken(kept.value!.photo))} />
      </>
    );
  if (shot.value && crescent.value)
    return (
      <>
        <p>{t("camera.mark")}</p>
        {shown}
        <RegionEditor
          frame={shot.value.frame}
          crescent={crescent.value}
          onChange={(moved) => (crescent.value = moved)}
          words={{
            photo: t("camera.photo"),
            masked: t("camera.masked"),
            handles: { left: t("camera.handle-left"), right: t("camera.handle-right"), upper: t("camera.handle-upper"), lower: t("camera.handle-lower") },
          }}
        />
        <Button label={t("camera.keep")} icon="check" kind="main" onPress={async () => void (await cut())} />
        <Button label={t("camera.again")} icon="camera" onPress={again} />
      </>
    );
  return (
    <>
      <h2>{t(eye === "left" ? "photo.take-left" : "photo.take-right")}</h2>
      {trouble.value && <Card tone="warn" title={trouble.value} />}
      <CameraView
        onShot={taken}
        onFault={(fault: PhoneFault) => (trouble.value = wordsOf(fault))}
        words={{
          viewfinder: t("camera.viewfinder"),
          take: t("camera.take"),
          torch: t("camera.torch"),
          focus: t("camera.focus"),
          exposure: t("camera.exposure"),
          gallery: t("camera.gallery"),
          hints: Object.fromEntries(SAYINGS.map((saying) => [saying, said("hint", saying, saying)])) as Record<Saying, string>,
        }}
      />
      <Button label={t("cancel")} onPress={onStop} />
    </>
  );
}
