import type { Bus } from './bus.ts';

/** The bus of a lone server, which has no other server to send to. */
export const NO_BUS: Bus = {
  isUp: false,
  setServerId() {},
  listen() {},
  announce() {},
  send() {},
  async close() {},
};
