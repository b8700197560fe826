/** Joins the parts of the phone. */
import { render } from "preact";

const root = document.getElementById("app");
if (root) render(<h1>Pallor</h1>, root);
