import { EQUALS, named, type PrivatePattern, SEPARATOR, VALUE } from "./pattern-parts.ts";

const NO_SECRET =
  /^(?:on|off|yes|no|true|false|none|null|default|required|disabled|enabled|\d{1,2}|\*+|<.*|secret\d{0,3}|sec\d{1,3}|masterkey\w*|bearer|basic|digest)$/i;

/** What opens something: passwords, tokens, keys, by their names or by how they begin. */
export const SECRET_PATTERNS: readonly PrivatePattern[] = [
  {
    kind: "SECRET",
    source: `-----BEGIN [A-Z ]{3,40}-----[^-]{1,8000}(?:-----END [A-Z ]{3,40}-----)?`,
  },
  {
    kind: "SECRET",
    source: String.raw`(?<before>\b[a-z][a-z0-9+.-]{1,30}://)[^\s/@"'<>]{1,200}(?=@)`,
    harmless: /^(?:root|qemu|admin)$|^[\w.+-]{1,64}$/i,
  },
  {
    kind: "SECRET",
    source: String.raw`(?<before>\b(?:bearer|basic|digest)\s{1,3})[a-z0-9+/=._~-]{8,400}`,
    harmless: /^[a-z-]+$/,
  },
  named(
    "SECRET",
    `(?:[a-z0-9]{1,20}[-_.]){0,4}(?:pass(?:word|wd|phrase|code|key)?|passwd|pwd(?!["']?=/)|secret|token|psk|credentials?|api[-_]?key|(?:access|private|secret|encryption|signing|auth|preshared|pre-shared|shared|license|product|registration|master|chap)[-_]?key(?:[-_]?id)?|auth(?:orization)?(?:[-_]token)?|cookie|otp|apikey)`,
    SEPARATOR,
    NO_SECRET,
  ),
  named(
    "SECRET",
    `[a-z]{2,20}(?:password|passwd|passphrase|token|secret|apikey)|key|session|sid|sig|signature|data`,
    EQUALS,
    /^(?:.{0,7}|[a-z_.-]+|0x[0-9a-f]+|\d+)$/i,
  ),
  {
    kind: "SECRET",
    source: String.raw`(?<before>(?<![\w-])--?(?:[a-z]{1,20}-){0,2}(?:password|passwd|passphrase|token|secret|api-?key)\s{1,3}["']?)${VALUE}`,
    harmless: NO_SECRET,
  },
  {
    kind: "SECRET",
    source: String.raw`(?<before>\s(?:-u|--user|--proxy-user)[ =])[^\s:"']{1,64}:[^\s"']{1,200}`,
  },
  {
    kind: "SECRET",
    source: String.raw`(?<before>\b(?:password|passphrase|psk|ticket|token|secret)\s(?:is\s|was\s)?["'])[^"'\n]{1,200}(?=["'])`,
  },
  {
    kind: "SECRET",
    source: String.raw`(?<before>\b(?:password|passphrase|psk|token)\sis\s)(?=\S{0,60}\d)[^\s"',;]{4,200}`,
  },
  // Tokens that tell by their beginning what they are for.
  {
    kind: "SECRET",
    source: String.raw`(?<![a-z0-9])(?:gh[opsur]_|github_pat_|glpat-|xox[abeoprs]-|sk-|pk_|tk_|tskey-|hf_|AKIA|ASIA|AIza|ya29\.|SG\.|npm_|dop_v1_|eyJ)[a-z0-9_.-]{12,400}`,
  },
  {
    kind: "SECRET",
    source: String.raw`(?<before>\b(?:ssh-(?:rsa|ed25519|dss)|ecdsa-sha2-\S{1,20})\s)[a-z0-9+/=]{20,1000}`,
  },
  { kind: "SECRET", source: String.raw`(?<before>\b(?:SHA256|MD5):)[a-z0-9+/=]{32,64}(?![a-z0-9])` },
  {
    kind: "SECRET",
    source: `(?<![A-Z0-9-])[A-Z0-9]{5}(?:-[A-Z0-9]{5}){4}(?![A-Z0-9-])`,
    caseMatters: true,
  },
];
