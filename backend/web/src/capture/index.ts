/** Taking a photo, for the screens. Load it lazily: nothing of it is needed before somebody takes a case.
 *
 *     <CameraView words onShot onFault />              live picture, guide, hints; a `Shot` when it was taken or chosen
 *     proposed(shot.frame)                             where the region starts
 *     <RegionEditor frame crescent words onChange />   four handles; a switch shows what will be sent
 *     keep(shot, crescent, eye, training)              the `TakenPhoto` for `Phone.keepPhoto`, and the server's gate on it
 *
 * Retaking is showing `CameraView` again. With `quality.reasons` the server would ask for another photo: say so, in words
 * of the screens (`hints` has the same codes, and `region-too-small`), and offer to take it anew or to keep it all the same.
 * Faults, for `fault.<code>`: camera-denied, camera-none, camera-busy, camera-insecure, photo-too-large, photo-unreadable.
 */
export { CameraView, type CameraViewProps, type CameraWords } from "./CameraView";
export { type Hint, proposed } from "./hints";
export type { Quality, Reason } from "./quality";
export { type Crescent, type Handle } from "./region";
export { RegionEditor, type RegionEditorProps, type RegionWords } from "./RegionEditor";
export { keep, type Kept, type Shot } from "./shot";
export type { Saying } from "./steady";
