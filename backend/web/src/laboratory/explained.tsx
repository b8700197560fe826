/** Why the model said so: where in the photo, and which confirmed cases it holds to be alike. Asked for when opened. */
import { useSignal } from "@preact/signals";
import { ask } from "./door";
import { useFault } from "./faults";
import { gramsWords, w } from "./words";

interface Said {
  readonly probability: number;
  readonly release_id: string;
  /** From the strongest against to the strongest for; the middle is neither. */
  readonly legend: { readonly steps: readonly { readonly colour: string }[] };
}

interface Alike {
  readonly items: readonly { readonly hb_g_per_l: string }[];
}

/** `path`: of the photo. */
export function Explained({ path }: { path: string }) {
  const found = useSignal<{ said: Said; alike: Alike } | null>(null);
  const { guard, shown } = useFault();
  const open = () =>
    guard(async () => {
      const [said, alike] = await Promise.all([ask<Said>(`${path}/explanation`), ask<Alike>(`${path}/nearest-cases`)]);
      found.value = { said, alike };
    });
  return (
    <details onToggle={(event) => event.currentTarget.open && !found.value && void open()}>
      <summary>{w("explained.title")}</summary>
      {shown}
      {found.value && (
        <>
          <p>
            {w("explained.said", { share: Math.round(found.value.said.probability * 100), release: found.value.said.release_id })}
          </p>
          <img src={`/api/v1${path}/heat-map`} alt={w("explained.map")} class="heat-map" />
          <Legend colours={found.value.said.legend.steps.map((step) => step.colour)} />
          <p>{alikeWords(found.value.alike)}</p>
          <p class="hint">{w("explained.hint")}</p>
        </>
      )}
    </details>
  );
}

function Legend({ colours }: { colours: readonly string[] }) {
  return (
    <p class="legend">
      {w("explained.against")}
      <svg viewBox={`0 0 ${colours.length} 1`} preserveAspectRatio="none" aria-hidden="true">
        {colours.map((colour, place) => (
          <rect key={colour} x={place} width="1" height="1" fill={colour} />
        ))}
      </svg>
      {w("explained.for")}
    </p>
  );
}

function alikeWords({ items }: Alike): string {
  if (items.length === 0) return w("explained.none-alike");
  return w("explained.alike", { values: items.map((one) => gramsWords(one.hb_g_per_l)).join(", ") });
}
