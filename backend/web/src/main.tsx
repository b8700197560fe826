/** Joins the parts of the phone. */
import { render } from "preact";
import { openPhone } from "./phone/open";

const root = document.getElementById("app");
const phone = await openPhone();
if (root) render(<h1>Pallor: {phone.device.value?.name}</h1>, root);
