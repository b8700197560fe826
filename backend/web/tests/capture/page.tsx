/** The capture room alone, for tests in a browser: camera, region, what would be sent. */
import { render } from "preact";
import { useState } from "preact/hooks";
import { CameraView, type CameraWords, type Crescent, keep, type Kept, proposed, RegionEditor, type RegionWords, type Shot } from "../../src/capture";
import "./page.css";

const CAMERA: CameraWords = {
  viewfinder: "What the camera sees",
  take: "Take the photo",
  torch: "Light",
  focus: "Focus",
  exposure: "Brightness",
  gallery: "Choose a photo",
  hints: {
    looking: "Bring the lower eyelid into the line",
    ready: "Good: hold still",
    "nothing-seen": "Pull the lower eyelid down",
    closer: "Go closer",
    further: "Go further away",
    "too-dark": "Too dark: turn to the light",
    "too-bright": "Too bright: turn away from the sun",
    glare: "The light is mirrored: tilt a little",
    blurred: "Blurred: hold still",
  },
};
const REGION: RegionWords = {
  photo: "The photo",
  masked: "Show what is sent",
  handles: { left: "Left corner", right: "Right corner", upper: "Edge at the eyeball", lower: "Edge at the lashes" },
};

function Page() {
  const [shot, setShot] = useState<Shot | null>(null);
  const [crescent, setCrescent] = useState<Crescent | null>(null);
  const [kept, setKept] = useState<Kept | null>(null);
  const [fault, setFault] = useState("");
  const frozen = (taken: Shot): void => {
    setShot(taken);
    setCrescent(proposed(taken.frame));
  };
  const use = async (): Promise<void> => {
    const made = await keep(shot!, crescent!, "left", location.search !== "?care-only");
    Object.assign(window, { kept: made, bytesOf });
    setKept(made);
  };
  return (
    <>
      <h1>Eyelid</h1>
      {fault && <p id="fault">{fault}</p>}
      {!shot && <CameraView words={CAMERA} onShot={frozen} onFault={({ code }) => setFault(code)} />}
      {shot && crescent && <RegionEditor frame={shot.frame} crescent={crescent} words={REGION} onChange={setCrescent} />}
      {shot && (
        <p class="choice">
          <button type="button" onClick={() => setShot(null)}>Take again</button>
          <button type="button" onClick={use}>Use it</button>
        </p>
      )}
      {kept && <pre id="kept">{JSON.stringify({ ...kept, photo: { ...kept.photo, region: kept.photo.region.type } })}</pre>}
    </>
  );
}

/** Of a part, base64: what crosses to the test. */
async function bytesOf(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}

render(<Page />, document.getElementById("app")!);
