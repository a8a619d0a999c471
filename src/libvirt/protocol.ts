/** Numbers of libvirt's stable ABI: src/remote/remote_protocol.x, src/rpc/virkeepaliveprotocol.x. */
export const REMOTE_PROGRAM = 0x20008086;
export const REMOTE_VERSION = 1;
export const KEEPALIVE_PROGRAM = 0x6b656570;
export const KEEPALIVE_VERSION = 1;

export const KEEPALIVE = { ping: 1, pong: 2 } as const;

export const PROCEDURE = {
  connectOpen: 1,
  connectClose: 2,
  domainGetXmlDesc: 14,
  domainGetAutostart: 15,
  domainLookupByName: 23,
  authList: 66,
  authPolkit: 70,
  connectGetLibVersion: 157,
  domainGetState: 212,
  connectListAllDomains: 273,
  connectDomainEventCallbackRegisterAny: 316,
  connectRegisterCloseCallback: 360,
} as const;

/** Messages that the daemon sends by itself. */
export const EVENT = {
  lifecycle: 318,
  reboot: 319,
  controlError: 325,
  deviceRemoved: 333,
  deviceAdded: 354,
  connectionClosed: 362,
  deviceRemovalFailed: 367,
} as const;

/** virDomainEventID of the events that every libvirt has. */
export const EVENT_ID = { lifecycle: 0, reboot: 1, controlError: 7, deviceRemoved: 15 } as const;

/** Those that came later: libvirt 1.2.15 and 1.3.4. */
export const LATER_EVENT_ID = { deviceAdded: 19, deviceRemovalFailed: 22 } as const;

/** VIR_DOMAIN_XML_INACTIVE: what the next start gets, not what the running domain has. */
export const XML_INACTIVE = 2;

export const AUTH = { none: 0, sasl: 1, polkit: 2 } as const;

/** VIR_CONNECT_RO: the daemon refuses everything that would change something. */
export const CONNECT_READ_ONLY = 1;

/** VIR_ERR_NO_DOMAIN: the VM is not, or no longer, there. */
export const ERROR_NO_DOMAIN = 42;

export const LIMIT = { string: 4_194_304, domains: 16_384, authTypes: 20 } as const;
