import type { Layer, Severity, Signature, SignatureClass, SignatureRole } from "../model/catalogue.ts";
import type { SignatureId } from "../model/identifiers.ts";
import type { SignatureLookup } from "./attempt-store.ts";
import type { Connection } from "./connection.ts";
import { formerSignature } from "./evidence-rows.ts";

/** The signatures that stored rows speak of, kept so that an old attempt stays readable with a newer catalogue. */
export interface SignatureTable {
  /** Keeps what the signature says now; an unchanged one is not written again. */
  remember(signature: Signature): void;
  /** `current`, and where that has nothing, what was remembered. */
  lookup(current: SignatureLookup): SignatureLookup;
}

interface Row {
  readonly class: SignatureClass;
  readonly layer: Layer;
  readonly role: SignatureRole;
  readonly severity: Severity;
  readonly meaning: string;
}

export function createSignatureTable(connection: Connection): SignatureTable {
  const select = connection.statement<[string], Row>(
    "SELECT class, layer, role, severity, meaning FROM signature WHERE id = ?",
  );
  const upsert = connection.statement<[string, string, string, string, string, string]>(
    `INSERT INTO signature (id, class, layer, role, severity, meaning) VALUES (?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET (class, layer, role, severity, meaning) =
       (excluded.class, excluded.layer, excluded.role, excluded.severity, excluded.meaning)`,
  );

  function former(id: SignatureId): Signature {
    const row = select.get(id);
    return formerSignature(
      row === undefined
        ? {
            id,
            class: "benign-noise",
            layer: "kernel",
            role: "context",
            severity: "info",
            meaning: "A message that this version of the catalogue no longer describes.",
          }
        : { id, ...row },
    );
  }

  return {
    remember(signature) {
      const row = select.get(signature.id);
      const same =
        row !== undefined &&
        row.class === signature.class &&
        row.layer === signature.layer &&
        row.role === signature.role &&
        row.severity === signature.severity &&
        row.meaning === signature.meaning;
      if (same) return;
      const { id, class: causeClass, layer, role, severity, meaning } = signature;
      upsert.run(id, causeClass, layer, role, severity, meaning);
    },
    lookup: (current) => (id) => current(id) ?? former(id),
  };
}
