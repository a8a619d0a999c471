import { join } from "node:path";
import { loadCatalogue } from "../../src/diagnosis/catalogue.ts";
import { shippedConfigDirectory } from "../../src/places.ts";

/** The catalogue as it is shipped. */
export const { catalogue } = loadCatalogue({
  shippedDirectory: join(shippedConfigDirectory(), "signatures"),
});
