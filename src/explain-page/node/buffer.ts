import { Buffer as OfPackage } from "buffer";

/** Node's global, for the rooms that read bytes; esbuild puts it where it is used. */
export const Buffer = OfPackage;
