/** Which screen is shown: first who this phone is, then who holds it, then where they are. */
import { lazily } from "./lazily";
import { Enrol, Wiped } from "./enrol";
import { Home } from "./home";
import { place } from "./nav";
import { People, SignInAgain } from "./people";
import { SendState } from "./send-state";
import { UpdateOffer } from "./update";
import { usePhone } from "./with-phone";

const NewCase = lazily(async () => (await import("./new-case/new-case")).NewCase);
const OneCase = lazily(async () => (await import("./case")).OneCase);
const Amend = lazily(async () => (await import("./amend")).Amend);
const Slip = lazily(async () => (await import("./slip")).Slip);
const Queue = lazily(async () => (await import("./queue")).Queue);
const FollowUps = lazily(async () => (await import("./follow-ups")).FollowUps);
const Search = lazily(async () => (await import("./search")).Search);
const ThisPhone = lazily(async () => (await import("./this-phone")).ThisPhone);

export function App() {
  const phone = usePhone();
  if (phone.wiped.value) return <Wiped />;
  if (!phone.device.value || place.value[0] === "enrol") return <Enrol />;
  if (!phone.session.value) return <People />;
  return (
    <>
      <SendState />
      <UpdateOffer />
      <Here />
    </>
  );
}

function Here() {
  const [name, id] = place.value;
  if (name === "new" && id) return <NewCase id={id} />;
  if (name === "case" && id) return <OneCase id={id} />;
  if (name === "amend" && id) return <Amend id={id} />;
  if (name === "slip" && id) return <Slip id={id} />;
  if (name === "queue") return <Queue />;
  if (name === "follow-ups") return <FollowUps />;
  if (name === "search") return <Search />;
  if (name === "phone") return <ThisPhone />;
  if (name === "sign-in") return <SignInAgain />;
  return <Home />;
}
