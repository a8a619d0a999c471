import type { Connection } from "./connection.ts";
import type { MetaStore, ResumePointStore } from "./record-stores.ts";

export function createMetaStore(connection: Connection): MetaStore {
  const select = connection.statement<[string], { value: string }>("SELECT value FROM meta WHERE key = ?");
  const upsert = connection.statement<[string, string]>(
    `INSERT INTO meta (key, value) VALUES (?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value`,
  );
  const remove = connection.statement<[string]>("DELETE FROM meta WHERE key = ?");
  return {
    get: (key) => select.get(key)?.value,
    set(key, value) {
      connection.batched(() => upsert.run(key, value));
    },
    delete(key) {
      connection.batched(() => remove.run(key));
    },
  };
}

export function createResumePointStore(connection: Connection): ResumePointStore {
  const select = connection.statement<[], { key: string; value: string }>(
    "SELECT key, value FROM resume_point",
  );
  const upsert = connection.statement<[string, string]>(
    `INSERT INTO resume_point (key, value) VALUES (?, ?)
     ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value`,
  );
  const remove = connection.statement<[string]>("DELETE FROM resume_point WHERE key = ?");
  return {
    load: () => new Map(select.all().map(({ key, value }) => [key, value])),
    save(points) {
      if (points.length === 0) return;
      // A source moves on many times between two saves; only where it is in the end is written.
      const last = new Map(points.map(({ key, value }) => [key, value]));
      connection.batched(() => {
        for (const [key, value] of last) upsert.run(key, value);
      });
    },
    forget(keys) {
      connection.batched(() => {
        for (const key of keys) remove.run(key);
      });
    },
  };
}
