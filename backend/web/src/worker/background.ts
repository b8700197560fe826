/** Sending with no page open: in the phone's own name, since nobody's key is at hand. */
import { CHANNEL } from "../phone/names";
import { alone } from "../queue/alone";
import { openDatabase } from "../queue/database";
import { Halted, type Line, sendAll } from "../queue/send";
import { clientOf } from "../server/client";
import { refreshDevice, wipeStolen } from "../server/device";

/** Rejects when it has to be tried again: the browser chooses when. */
export async function sendInBackground(): Promise<void> {
  const database = await openDatabase();
  const request = clientOf(fetch.bind(globalThis), () => new Date());
  const channel = new BroadcastChannel(CHANNEL);
  const line: Line = {
    database,
    request,
    now: Date.now,
    pause: (ms) => new Promise((resume) => setTimeout(resume, ms)),
    tokenOf: () => null,
    onPersonRefused: () => {},
    onProgress: () => channel.postMessage(["queue"]),
  };
  try {
    await alone(async () => {
      const standing = await refreshDevice(database, request, new Date());
      const device = await database.get("device", "device");
      if (standing === "stolen") throw new Halted("stolen");
      if (standing === "known" && device) await sendAll(line, device);
    });
  } catch (error) {
    if (!(error instanceof Halted) || error.why !== "stolen") throw error;
    await wipeStolen(database, request);
    channel.postMessage(["device", "people", "queue", "drafts", "seen", "marks"]);
  } finally {
    channel.close();
    database.close();
  }
}
