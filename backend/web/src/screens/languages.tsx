import { choose, language, LANGUAGES, t, type Language } from "../words/words";
import { Choice } from "./parts";

export function Languages() {
  const options = Object.entries(LANGUAGES).map(([code, { name }]) => [code as Language, name] as const);
  return <Choice label={t("language")} options={options} value={language.value} onChoose={(code) => void choose(code)} />;
}
