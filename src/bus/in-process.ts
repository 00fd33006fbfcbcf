import type { Bus } from './bus.ts';

/** The bus of a server that has its database for itself: there is nobody else to be told anything. */
export const NO_BUS: Bus = {
  isUp: false,
  setServerId() {},
  listen() {},
  announce() {},
  send() {},
  async close() {},
};
