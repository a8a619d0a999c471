/** The worker's script; the build puts it in the place of this file. */
export const workerSource: string = "";
