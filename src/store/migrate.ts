import type Database from "better-sqlite3";
import { MIGRATIONS, SCHEMA_VERSION } from "./schema.ts";

/** "VFIO": tells our file from anybody else's. */
export const APPLICATION_ID = 0x5646494f;

/** Brings a database from one version to another, each step in a transaction of its own. */
export function migrate(database: Database.Database, from: number, to: number = SCHEMA_VERSION): void {
  // A table that is made anew is gone for a moment, and names in other tables have to stay as they are meanwhile.
  database.pragma("foreign_keys = OFF");
  database.pragma("legacy_alter_table = ON");
  for (const { version, sql, convert, finish } of MIGRATIONS) {
    if (version <= from || version > to) continue;
    database.pragma("synchronous = FULL");
    database
      .transaction(() => {
        database.exec(sql);
        convert?.(database);
        database.exec(
          `${finish ?? ""}; PRAGMA user_version = ${version}; PRAGMA application_id = ${APPLICATION_ID}`,
        );
      })
      .immediate();
  }
  database.pragma("legacy_alter_table = OFF");
}

/** Gives a history a name of its own, which goes along when it is saved or copied. */
export function nameHistory(database: Database.Database): void {
  database.exec("INSERT OR IGNORE INTO meta (key, value) VALUES ('history', lower(hex(randomblob(16))))");
}
