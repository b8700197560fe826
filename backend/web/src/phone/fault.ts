/** The one error that the phone throws on purpose. */

export interface FieldFault {
  /** Dotted, by the names of `CaseFacts`: "subject.age_months". */
  readonly field: string;
  readonly code: string;
}

export class PhoneFault extends Error {
  /**
   * @param code stable, for the words (`fault.<code>`)
   * @param detail what the words may repeat: an address, the server's own sentence
   * @param faults of single fields, where they are known
   */
  constructor(
    readonly code: string,
    readonly detail: string | null = null,
    readonly faults: readonly FieldFault[] = [],
  ) {
    super(code);
    this.name = "PhoneFault";
  }
}
