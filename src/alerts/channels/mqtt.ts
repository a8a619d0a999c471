import { minimumImportance, password, path, text, whole, yesNo } from "../../settings/value-kinds.ts";
import type { Channel, SendResult } from "../channel.ts";
import { alertJson } from "../message.ts";
import { runChannelChild } from "./channel-child.ts";
import { type ChannelSurroundings, channelKind, type VmProblem } from "./kind.ts";
import type { MqttJob, MqttMessage } from "./mqtt-child.ts";

export const mqtt = channelKind({
  name: "mqtt",
  title: "MQTT and Home Assistant",
  settings: {
    NOTIFY_MQTT: yesNo(false, "Publish to an MQTT broker: each alert, and the state of each VM (retained)."),
    MQTT_MINIMUM_IMPORTANCE: minimumImportance("is published by MQTT; states always are"),
    MQTT_SERVER: text("", "The broker, e.g. mqtt://broker.lan:1883 or mqtts://broker.lan:8883"),
    MQTT_USER: text("", "The user, where the broker asks for one."),
    MQTT_PASSWORD: password("The user's password."),
    MQTT_PASSWORD_FILE: path("", "A file with the password, instead of MQTT_PASSWORD."),
    MQTT_TOPIC: text("vfio-watch", "Everything is published below this topic and the machine's name."),
    MQTT_DISCOVERY: text(
      "homeassistant",
      "Where Home Assistant looks for what it can discover: each VM becomes a sensor for a problem.\nnone: nothing is published there.",
    ),
    MQTT_TIMEOUT_SECONDS: whole(
      15,
      { minimum: 1, maximum: 300, unit: "seconds" },
      "How long the broker may take.",
    ),
  },
  labels: {
    NOTIFY_MQTT: "Use it",
    MQTT_MINIMUM_IMPORTANCE: "From which importance",
    MQTT_SERVER: "Broker",
    MQTT_USER: "User",
    MQTT_PASSWORD: "Password",
    MQTT_PASSWORD_FILE: "File with the password",
    MQTT_TOPIC: "Topic",
    MQTT_DISCOVERY: "Home Assistant's discovery topic",
    MQTT_TIMEOUT_SECONDS: "Time limit",
  },
  secretFiles: [{ key: "MQTT_PASSWORD", file: "MQTT_PASSWORD_FILE" }],
  needs: "MQTT_SERVER (e.g. mqtt://broker.lan:1883)",
  isOn: ({ NOTIFY_MQTT, MQTT_SERVER }) => NOTIFY_MQTT && brokerAddress(MQTT_SERVER) !== undefined,
  minimum: (settings) => settings.MQTT_MINIMUM_IMPORTANCE,
  create(settings, surroundings): Channel | undefined {
    const broker = brokerAddress(settings.MQTT_SERVER);
    if (broker === undefined) return undefined;
    const timeLimitMs = settings.MQTT_TIMEOUT_SECONDS * 1000;
    const topics = topicsOf(settings.MQTT_TOPIC, settings.MQTT_DISCOVERY, surroundings.hostName);
    const publish = (messages: readonly MqttMessage[], signal: AbortSignal): Promise<SendResult> => {
      const job: MqttJob = {
        ...{ broker, timeLimitMs, messages },
        ...(settings.MQTT_USER !== "" && {
          credentials: { user: settings.MQTT_USER, password: settings.MQTT_PASSWORD ?? "" },
        }),
      };
      return runChannelChild("mqtt", job, { timeLimitMs, clock: surroundings.clock, signal });
    };
    const states = () => stateMessages(topics, surroundings);
    return {
      name: "mqtt",
      timeLimitMs,
      send: (message, signal) =>
        publish(
          [
            ...states(),
            { topic: `${topics.base}/alert`, payload: JSON.stringify(alertJson(message)), retain: false },
          ],
          signal,
        ),
      showStates: (signal) => publish(states(), signal),
    };
  },
});

interface Topics {
  readonly base: string;
  /** Undefined where nothing is to be discovered. */
  readonly discovery: string | undefined;
  /** The machine, in characters that topics and Home Assistant's ids may have. */
  readonly host: string;
  readonly hostName: string;
}

function topicsOf(base: string, discovery: string, hostName: string): Topics {
  const host = plainId(hostName) || "host";
  const clean = (topic: string) => topic.replaceAll(/[+#\u0000]/g, "").replaceAll(/^\/+|\/+$/g, "");
  return {
    base: `${clean(base) || "vfio-watch"}/${host}`,
    discovery: discovery === "" || discovery.toLowerCase() === "none" ? undefined : clean(discovery),
    host,
    hostName,
  };
}

/**
 * The state of each VM, and what Home Assistant needs to make a sensor of it. Retained, so that whoever connects later
 * has them without the service holding a connection.
 */
function stateMessages(topics: Topics, surroundings: ChannelSurroundings): readonly MqttMessage[] {
  const retained = (topic: string, payload: unknown): MqttMessage => ({
    topic,
    // An empty message takes away what was kept.
    payload: payload === undefined ? "" : JSON.stringify(payload),
    retain: true,
  });
  const problems = surroundings.vmProblems();
  const newest = problems
    .flatMap(({ vm, problem }) => (problem === undefined ? [] : [{ vm, ...problem }]))
    .sort((a, b) => b.since - a.since)[0];
  const device = { identifiers: [`vfio-watch ${topics.host}`], name: `VFIO Watch ${topics.hostName}` };
  const failure = `${topics.base}/last-failure`;
  return [
    ...problems.flatMap((vm) => {
      const id = plainId(vm.vm) || "vm";
      const topic = `${topics.base}/vm/${id}`;
      return [
        retained(topic, vm.isGone === true ? undefined : stateOf(vm)),
        ...(topics.discovery === undefined
          ? []
          : [
              retained(
                `${topics.discovery}/binary_sensor/vfio_watch_${topics.host}/${id}/config`,
                vm.isGone === true
                  ? undefined
                  : {
                      name: `${vm.vm} passthrough`,
                      unique_id: `vfio_watch_${topics.host}_${id}`,
                      device_class: "problem",
                      state_topic: topic,
                      value_template: "{{ value_json.problem }}",
                      json_attributes_topic: topic,
                      device,
                    },
              ),
            ]),
      ];
    }),
    retained(
      failure,
      newest === undefined ? { text: "none" } : { text: newest.subject, ...newest, since: iso(newest.since) },
    ),
    ...(topics.discovery === undefined
      ? []
      : [
          retained(`${topics.discovery}/sensor/vfio_watch_${topics.host}/last_failure/config`, {
            name: "What does not start",
            unique_id: `vfio_watch_${topics.host}_last_failure`,
            icon: "mdi:alert",
            state_topic: failure,
            value_template: "{{ value_json.text[:255] }}",
            json_attributes_topic: failure,
            device,
          }),
        ]),
  ];
}

function stateOf({ vm, problem }: VmProblem): object {
  if (problem === undefined) return { vm, problem: "OFF" };
  return { vm, problem: "ON", subject: problem.subject, cause: problem.cause, since: iso(problem.since) };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

/** Letters, digits, `_` and `-` only; two names that come out alike are told apart by a few digits of their own. */
function plainId(name: string): string {
  const plain = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9_-]+/g, "_")
    .replaceAll(/^_+|_+$/g, "");
  if (plain === name.toLowerCase()) return plain;
  let sum = 0;
  for (const character of name) sum = (Math.imul(sum, 31) + (character.codePointAt(0) ?? 0)) >>> 0;
  return `${plain}_${sum.toString(36)}`.replace(/^_/, "");
}

function brokerAddress(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  // User and password have settings of their own, which are not shown.
  if ((url.protocol !== "mqtt:" && url.protocol !== "mqtts:") || url.hostname === "" || url.username !== "")
    return undefined;
  return url.href;
}
