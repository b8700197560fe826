/** Joins the parts of the laboratory's pages. */
import { render } from "preact";
import "../screens/style.css";
import { beginWithWords } from "../words/words";
import { Laboratory } from "./app";
import { begin } from "./door";
import "./laboratory.css";
import { followLanguage } from "./words";

await beginWithWords();
await followLanguage();
render(<Laboratory />, document.getElementById("app")!);
await begin();
