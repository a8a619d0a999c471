import assert from "node:assert/strict";
import { test } from "node:test";
import { formatsInC, textConstantsOf } from "../../tools/generate-messages/c-source.ts";
import { collect } from "../../tools/generate-messages/collection.ts";
import { normalForms } from "../../tools/generate-messages/normal-form.ts";
import { formatsInGo, formatsInPerl, formatsInRust } from "../../tools/generate-messages/other-source.ts";
import type { PrintedFormat } from "../../tools/generate-messages/printed-format.ts";

const printerOf = (name: string) =>
  name === "complain" || name === "complain_errno" ? "error" : name === "hint" ? "info" : undefined;

function inC(source: string): readonly (readonly [string, string])[] {
  return formatsInC(source, printerOf, textConstantsOf(source)).map(({ text, function: name }) => [
    name,
    text,
  ]);
}

test("in C the format is what the literals of a call make together, in the function they stand in", () => {
  const source = `
#define PREFIX "vf: "
/* complain("not this one"); */
static int first(struct a *b)
{
        if (b) {
                complain(b, PREFIX "the %s is "
                         "gone at 0x%" PRIx64 "\\n", b->name, b->at); // complain("nor this")
        }
        return 0;
}
#ifdef OTHER
int second(void) {
#else
int second(int a) {
#endif
        other("not printed");
        complain(code, "%s", _("a plain text"));
        complain(b, a ? "one way" : "the other way");
}
int third(void)
{
        hint("look at it");
}
`;
  assert.deepEqual(inC(source), [
    ["first", "vf: the %s is gone at 0x%x\n"],
    ["second", "a plain text"],
    ["second", "one way"],
    ["second", "the other way"],
    ["third", "look at it"],
  ]);
});

test("Perl's variables and Rust's braces become gaps", () => {
  const perl = `sub start {
    die "no volume '$conf->{disk}[0]' at 100% of \${store}\\n" if !$x;
    warn 'the bridge $br is gone' . "\\n";
    die "VM $vmid " . $name . " is locked\\n";
}
=pod

die "in the manual";

=cut
`;
  assert.deepEqual(
    formatsInPerl(perl).map(({ text, severity, function: name }) => [name, severity, text]),
    [
      ["start", "error", "no volume '%s' at 100%% of %s\n"],
      ["start", "warning", "the bridge $br is gone\n"],
      ["start", "error", "VM %s %s is locked\n"],
    ],
  );
  const rust = `
enum OpenError {
    #[error("Cannot open {0}: {source:?}")]
    Open(PathBuf),
}
fn run() { warn!("region {{{}}} is at 50%", index); info!("all well"); }
#[cfg(test)]
mod tests { fn t() { panic!("only in a test") } }
`;
  assert.deepEqual(
    formatsInRust(rust).map(({ text, severity, function: name }) => [name, severity, text]),
    [
      ["OpenError", "error", "Cannot open %s: %s"],
      ["run", "warning", "region {%s} is at 50%%"],
    ],
  );
});

test("Go's verbs become gaps, in errors and in what is logged as one", () => {
  const go = `
// fmt.Errorf("in a comment")
func (d *gpu) Start() error {
	logger.Warnf("Device %q is slow", d.name)
	logger.Info("all well")
	log.Log.Reason(err).Error("failed to sync the VM")
	return fmt.Errorf("Failed to start %+v at %d%%: %w", d, n, err)
}
`;
  assert.deepEqual(
    formatsInGo(go).map(({ text, severity, function: name }) => [name, severity, text]),
    [
      ["Start", "warning", 'Device "%s" is slow'],
      ["Start", "error", "failed to sync the VM"],
      ["Start", "error", "Failed to start %s at %d%%: %s"],
    ],
  );
});

function normal(text: string, printer = "complain"): readonly string[] {
  return normalForms({ text, printer, function: "", severity: "error" });
}

test("widths, positions and the kernel's own conversions say nothing, and one line is one message", () => {
  assert.deepEqual(normal("bridge %04x:%02x lost %-8.*s of %llu\n"), ["bridge %x:%x lost %s of %d"]);
  assert.deepEqual(normal("group %2$s of %1$d vanished"), ["group %s of %d vanished"]);
  assert.deepEqual(normal("bridge %pOF vanished at %pa: %pe"), ["bridge %s vanished at %s: %s"]);
  assert.deepEqual(normal("the window is too small\nchoose a larger bridge window\n"), [
    "the window is too small",
    "choose a larger bridge window",
  ]);
  assert.deepEqual(normal("cannot open bridge window\n", "error_setg_errno"), [
    "cannot open bridge window: %m",
  ]);
});

test("what any program may say is no message of one", () => {
  for (const text of ["%s: failed: %d", "not supported", "%s", "error", "Failed to read %s: %s"])
    assert.deepEqual(normal(text), [], text);
});

test("a message of several versions and places stands once, with what is known of them", () => {
  const collection = collect();
  const said = (text: string): PrintedFormat => ({
    text,
    function: "f",
    severity: "error",
    printer: "complain",
  });
  collection.add("qemu", "1.0", "hw/old/pci.c", said("the bridge has gone away"));
  collection.add("qemu", "2.0", "hw/new/pci.c", said("the bridge has gone away"));
  collection.add("qemu", "2.0", "hw/new/a.c", said("two bridges say the same"));
  collection.add("qemu", "2.0", "hw/new/b.c", said("two bridges say the same"));
  assert.equal(
    collection.text(),
    [
      "= qemu 1.0 2.0",
      "@ hw/new/",
      ": ",
      "E2 two bridges say the same",
      "@ hw/new/pci.c",
      ": f",
      "E the bridge has gone away",
      "",
    ].join("\n"),
  );
});
