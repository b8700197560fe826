/** Joins the parts of the phone. */
import { render } from "preact";
import { openPhone } from "./phone/open";
import { App } from "./screens/app";
import "./screens/style.css";
import { WithPhone } from "./screens/with-phone";
import { beginWithWords } from "./words/words";

const [phone] = await Promise.all([openPhone(), beginWithWords()]);
render(
  <WithPhone value={phone}>
    <App />
  </WithPhone>,
  document.getElementById("app")!,
);
