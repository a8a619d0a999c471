import type { RankableLine } from "../rank.ts";
import { isNobodyKnown, runsVms } from "../speakers.ts";
import type { Block } from "./records.ts";
import { readSaidBy, type SaidBy } from "./said-by.ts";

/** A piece of a text with who says it: a line, or several that one message was broken into. */
export interface SpokenBlock extends Block {
  /** Its place in the text. */
  readonly number: number;
  /** Of its first line. */
  readonly said: SaidBy;
  readonly text: string;
  /** It stands in a long piece of one log, and so is no excerpt that somebody chose. */
  readonly isOfLongLog: boolean;
}

/** A line of a text with what is known about it and whose words it is. */
export interface SpokenLine extends RankableLine, Pick<SaidBy, "speaker" | "when"> {
  /** The place of its block in the text. */
  readonly block: number;
  readonly isOfLongLog: boolean;
}

/** As many blocks of one log in a row are no excerpt any more. */
const LONG_LOG = 30;

/** Says of each block who says it. */
export function spokenBlocks(blocks: readonly Block[]): readonly SpokenBlock[] {
  const said = blocks.map(({ lines }) => readSaidBy(lines[0] ?? ""));
  const isLong = ofLongLogs(said);
  return blocks.map((block, number) => ({
    ...block,
    number,
    said: said[number] ?? readSaidBy(""),
    text: block.lines.join("\n"),
    isOfLongLog: isLong[number] === true,
  }));
}

/** Lines that somebody pasted into a log interrupt it and do not end it. */
const LONGEST_INTERRUPTION = 40;

function ofLongLogs(said: readonly SaidBy[]): readonly boolean[] {
  const isLong = said.map(() => false);
  for (const clock of ["boot", "utc", "local"] as const) {
    let run: number[] = [];
    const end = () => {
      if (run.length >= LONG_LOG) for (const number of run) isLong[number] = true;
      run = [];
    };
    for (const [number, { when }] of said.entries()) {
      if (when?.clock !== clock) continue;
      if (number - (run.at(-1) ?? number) > LONGEST_INTERRUPTION) end();
      run.push(number);
    }
    end();
  }
  return isLong;
}

/** Words that stand in nearly every text about virtual machines. */
const ABOUT_VMS =
  /vfio|hostdev|hostpci|pass-?\s?through|qemu|\bkvm\b|libvirt|virsh|\bvirDomain\w+|\bvir[A-Z]\w+\(|error: [^\n]{0,80}\bdomain\b|error starting domain|domain installation|\bdomain ['"]|\bVMs?\b|\bguest\b|virtual machine|hypervisor|TASK ERROR|\bOVMF\b|pflash|PC BIOS|double use of PCI|virError\(|Requested operation is not valid|machine creation|\[Domain-\d|\bxenopsd|\bnova\.(?:compute|virt)|\bQMP command|\bvdsm|satisfy internal filter|\bstart domain\b(?! event\b)|\b(?:incus|lxc|qm|virtctl|multipass|limactl) (?:start|launch) |\bqvm-start |\bxl create |\bvagrant up\b|\bquickemu\b|\bkata-/i;

const VMS = /qemu|\bkvm: |libvirt|virsh|\bdomain\b|\bVM\b|\bguest\b/i;

/** Who pastes a log puts what it is about near it; so near counts as together. */
const NEAR = 40;

/** Whether a line by itself speaks of VMs or of giving devices away. */
export function isAboutVms(text: string): boolean {
  return ABOUT_VMS.test(text);
}

/** Whether a program says of a record of its own that it is a note, and passes on nobody else's words in it. */
export function isNote(text: string): boolean {
  return OF_NOTES.test(text) && !OF_OTHERS.test(text);
}

const OF_NOTES = /"level":"(?:info|debug|trace)"|\blevel=(?:info|debug|trace)\b/;
const OF_OTHERS = /"subcomponent":"qemu"|\bvmconsole=|\bpos=qemu|console/;

/** QEMU warns and goes on, whatever it warns of. */
export function isWarning(text: string): boolean {
  return QEMU_WARNING.test(text);
}

const QEMU_WARNING = /\b(?:qemu(?:-[\w.]+)*|kvm)(?:\[\d+\])?: (?:-[a-z][\w-]* [^\n]*?: )?warning: /i;

/** Where a text speaks of VMs. */
export interface VmTalk {
  /** Whether somebody speaks of VMs or of giving devices away near this block. */
  near(block: number): boolean;
  /** The same of VMs alone: devices are given to other programs, too. */
  nearVms(block: number): boolean;
}

/**
 * Finds where a text speaks of VMs. The kernel's own lines and those of programs that have nothing to do with VMs do
 * not count: every boot says `kvm`, and what a desktop's programs say beside it means nothing for a VM.
 */
export function vmTalkIn(blocks: readonly SpokenBlock[]): VmTalk {
  const speaking = blocks.filter(({ said: { speaker } }) => isNobodyKnown(speaker) || runsVms(speaker));
  // Marked block by block: a storm has tens of thousands of lines that speak of VMs.
  const around = (words: RegExp) => {
    const near = new Set<number>();
    let marked = -1;
    for (const block of speaking.filter((one) => speaksOf(words, one))) {
      const from = Math.max(marked + 1, block.number - NEAR);
      for (let number = from; number <= block.number + NEAR; number++) near.add(number);
      marked = block.number + NEAR;
    }
    return near;
  };
  const [about, vms] = [around(ABOUT_VMS), around(VMS)];
  return { near: (block) => about.has(block), nearVms: (block) => vms.has(block) };
}

function speaksOf(words: RegExp, { said: { speaker }, text, lines }: SpokenBlock): boolean {
  if (runsVms(speaker)) return true;
  // Wrapping may have broken the very word that says it.
  return words.test(text) || (lines.length > 1 && words.test(lines.join("")));
}
