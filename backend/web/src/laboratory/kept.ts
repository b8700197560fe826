/** What a technician lets this computer remember of the bench: how is measured here, never what. */
export interface Bench {
  readonly unit: string | null;
  readonly specimen: string | null;
  readonly performer: string | null;
  readonly method: string;
  readonly device: string;
}

const KEPT = "pallor.bench";
export const BARE_BENCH: Bench = { unit: null, specimen: null, performer: null, method: "", device: "" };

export function keptBench(): Bench | null {
  const kept = localStorage.getItem(KEPT);
  return kept ? { ...BARE_BENCH, ...(JSON.parse(kept) as Partial<Bench>) } : null;
}

export function keepBench(bench: Bench | null): void {
  if (bench) localStorage.setItem(KEPT, JSON.stringify(bench));
  else localStorage.removeItem(KEPT);
}

