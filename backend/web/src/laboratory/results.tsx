/** What stands of a case: corrected or taken back with a reason; and, only now that a value is in, what the model said. */
import { Button, Card, Facts } from "../screens/parts";
import { moment } from "../words/words";
import { Dismiss } from "./dismiss";
import { ask } from "./door";
import { Explained } from "./explained";
import { useFault } from "./faults";
import { takeBack } from "./record";
import type { Specimen, Standing } from "./wire";
import { gramsWords, w, worded } from "./words";

interface Given {
  specimen: Specimen;
  onCorrect: (result: Standing) => void;
  onTakenBack: () => void;
}

export function Results({ specimen, onCorrect, onTakenBack }: Given) {
  return (
    <>
      {specimen.results.length > 1 && <Card tone="warn" title={w("results.several")} />}
      {specimen.results.map((result) => (
        <Result key={result.result_id} result={result} onCorrect={onCorrect} onTakenBack={onTakenBack} />
      ))}
      {specimen.scored_photos.map((photo) => (
        <Explained key={photo} path={`/cases/${specimen.case_id}/photos/${photo}`} />
      ))}
    </>
  );
}

function Result({ result, onCorrect, onTakenBack }: { result: Standing } & Omit<Given, "specimen">) {
  const { guard, shown } = useFault();
  const undo = async () => {
    const gone = await guard(async () => {
      await takeBack(result.result_id);
      return true;
    });
    if (gone) onTakenBack();
  };
  const inError = (reason: string) =>
    guard(async () => {
      await ask(`/lab-results/${result.result_id}/retraction`, { method: "PUT", json: { kind: "entered-in-error", reason } });
      onTakenBack();
    });
  return (
    <Card tone="plain" title={`${result.hb_value} ${result.hb_unit} = ${gramsWords(result.hb_g_per_l)} g/L`}>
      <Facts
        rows={[
          [w("head.drawn"), moment(result.taken_at)],
          [w("value.specimen"), worded("specimen", result.specimen, result.specimen)],
          ...(result.device ? [[w("value.device"), result.device] as const] : []),
          [w("results.entered"), `${moment(result.received_at)}, ${result.received_by}`],
        ]}
      />
      {shown}
      <Button label={w("results.correct")} kind="main" onPress={() => onCorrect(result)} />
      <Button label={w("results.undo")} onPress={undo} />
      <Dismiss label={w("results.in-error")} onDismiss={inError} />
    </Card>
  );
}
