import { keyPart } from "../key-parts.ts";
import { type FactKind, form } from "../kind.ts";

/**
 * Modules that do not come with the kernel, with their versions. They are told as long as they are loaded; one that is
 * not says nothing, for it may be at the next start.
 */
export const FOREIGN_MODULES: FactKind = {
  group: "kernel",
  root: "kernel.out-of-tree",
  odds: "other",
  role: { follows: ["operating system", "plugin", "kernel"] },
  forms: [
    form("kernel.out-of-tree.{module}", "Module {module} from outside the kernel", 4, { shown: "kernel" }),
  ],
  collect({ foreignModules }, tell) {
    if (foreignModules.state !== "read") return tell(this.root, foreignModules);
    // One without a number, or whose number is not shown, is still known to be there.
    for (const { name, version = "loaded" } of foreignModules.value)
      tell(`${this.root}.${keyPart(name)}`, version);
  },
};
