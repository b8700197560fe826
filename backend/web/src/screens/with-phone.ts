/** The phone, for every screen below. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Phone } from "../port";

const Held = createContext<Phone | null>(null);
export const WithPhone = Held.Provider;

export function usePhone(): Phone {
  const phone = useContext(Held);
  if (!phone) throw new Error("no phone above this screen");
  return phone;
}
