import { choice, minimumImportance, password, path, text, whole } from "../../settings/value-kinds.ts";
import type { Channel } from "../channel.ts";
import { renderMail } from "../render.ts";
import { runChannelChild } from "./channel-child.ts";
import { channelKind } from "./kind.ts";
import type { MailJob } from "./mail-child.ts";
import { parseServer } from "./server-address.ts";

export const mail = channelKind({
  name: "mail",
  title: "Mail",
  settings: {
    NOTIFY_MAIL: choice(
      "auto",
      ["auto", "yes", "no"],
      "Send mail. auto: on Proxmox VE, whose own notifications (8.1 and newer) forward mail to root to\nthe targets that are set there.",
    ),
    MAIL_MINIMUM_IMPORTANCE: minimumImportance("is sent by mail"),
    MAIL_SERVER: text("localhost:25", "The mail server and its port."),
    MAIL_SECURITY: choice(
      "auto",
      ["auto", "none", "starttls", "tls"],
      "auto: TLS on port 465, else STARTTLS where the server offers it. The certificate is checked,\nunless the server is this machine.",
    ),
    MAIL_TO: text("root", "Who gets it; several with commas between them."),
    MAIL_FROM: text("", "The sender's address. Empty: vfio-watch at this machine's name."),
    MAIL_USER: text("", "The user, where the server asks for one."),
    MAIL_PASSWORD: password("The user's password."),
    MAIL_PASSWORD_FILE: path("", "A file with the password, instead of MAIL_PASSWORD."),
    MAIL_TIMEOUT_SECONDS: whole(
      30,
      { minimum: 1, maximum: 300, unit: "seconds" },
      "How long the mail server may take.",
    ),
  },
  labels: {
    NOTIFY_MAIL: "Send it",
    MAIL_MINIMUM_IMPORTANCE: "From which importance",
    MAIL_SERVER: "Server",
    MAIL_SECURITY: "Encryption",
    MAIL_TO: "To",
    MAIL_FROM: "From",
    MAIL_USER: "User",
    MAIL_PASSWORD: "Password",
    MAIL_PASSWORD_FILE: "File with the password",
    MAIL_TIMEOUT_SECONDS: "Time limit",
  },
  secretFiles: [{ key: "MAIL_PASSWORD", file: "MAIL_PASSWORD_FILE" }],
  needs: "MAIL_SERVER (a server and its port, e.g. mail.example.org:587)",
  isOn: ({ NOTIFY_MAIL, MAIL_SERVER }, place) =>
    parseServer(MAIL_SERVER, 25) !== undefined &&
    (NOTIFY_MAIL === "yes" || (NOTIFY_MAIL === "auto" && place.proxmox)),
  minimum: (settings) => settings.MAIL_MINIMUM_IMPORTANCE,
  create(settings, { clock, hostName }): Channel | undefined {
    const server = parseServer(settings.MAIL_SERVER, 25);
    if (server === undefined) return undefined;
    const timeLimitMs = settings.MAIL_TIMEOUT_SECONDS * 1000;
    const from = settings.MAIL_FROM || `vfio-watch@${domainOf(hostName)}`;
    return {
      name: "mail",
      timeLimitMs,
      send(message, signal) {
        const job: MailJob = {
          ...{ server, timeLimitMs, from, security: settings.MAIL_SECURITY },
          to: settings.MAIL_TO.split(",").map((address) => address.trim()),
          ...(settings.MAIL_USER !== "" && {
            credentials: { user: settings.MAIL_USER, password: settings.MAIL_PASSWORD ?? "" },
          }),
          // The same in a second try, so that a reader's program can tell that it has it already.
          messageId: `<${message.incidentId}.${message.deliveryId}@${domainOf(message.host)}>`,
          ...renderMail(message),
        };
        return runChannelChild("mail", job, { timeLimitMs, clock, signal });
      },
    };
  },
});

/** A machine's name as the part of an address behind the @; a name that cannot be one is left out. */
function domainOf(hostName: string): string {
  const name = hostName
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, "-")
    .replaceAll(/^[-.]+|[-.]+$/g, "");
  return name === "" ? "localhost" : name;
}
