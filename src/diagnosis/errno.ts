/** Error numbers that VFIO, QEMU and libvirt report around a start. */
export type ErrnoName =
  | "EPERM"
  | "ENOENT"
  | "EIO"
  | "ENXIO"
  | "EAGAIN"
  | "ENOMEM"
  | "EACCES"
  | "EFAULT"
  | "EBUSY"
  | "EEXIST"
  | "ENODEV"
  | "EINVAL"
  | "ENOTTY"
  | "ENOSPC"
  | "EOPNOTSUPP"
  | "ETIMEDOUT";

/** Number (Linux, x86 and ARM alike) and the C locale's text, in which QEMU always speaks. */
const ERRNOS: readonly (readonly [ErrnoName, number, string])[] = [
  ["EPERM", 1, "Operation not permitted"],
  ["ENOENT", 2, "No such file or directory"],
  ["EIO", 5, "Input/output error"],
  ["ENXIO", 6, "No such device or address"],
  ["EAGAIN", 11, "Resource temporarily unavailable"],
  ["ENOMEM", 12, "Cannot allocate memory"],
  ["EACCES", 13, "Permission denied"],
  ["EFAULT", 14, "Bad address"],
  ["EBUSY", 16, "Device or resource busy"],
  ["EEXIST", 17, "File exists"],
  ["ENODEV", 19, "No such device"],
  ["EINVAL", 22, "Invalid argument"],
  ["ENOTTY", 25, "Inappropriate ioctl for device"],
  ["ENOSPC", 28, "No space left on device"],
  ["EOPNOTSUPP", 95, "Operation not supported"],
  ["ETIMEDOUT", 110, "Connection timed out"],
];

/** The texts, in an order in which none hides a longer one (ENODEV's is the beginning of ENXIO's). */
export const ERRNO_TEXTS: readonly string[] = ERRNOS.map(([, , text]) => text);

/** Which error a text (`Invalid argument`, in any case) or a return code (`-22`, `22`) means. */
export function errnoNamed(textOrCode: string): ErrnoName | undefined {
  const wanted = textOrCode.trim().toLowerCase();
  const code = /^-?([0-9]{1,3})$/.exec(wanted)?.[1];
  for (const [name, number, text] of ERRNOS) {
    if (code === undefined ? text.toLowerCase() === wanted : Number(code) === number) return name;
  }
  return undefined;
}
