/** How often servers that share a database let each other know that they live, and look at each other, in milliseconds. */
export interface FleetTimes {
  /** Between two heartbeats, which save the text of answers and renew the server's lease. It is what a crash may lose. */
  beatMs: number;
  /** How long a lease lasts that is not renewed. */
  leaseMs: number;
  /** Between two looks for servers whose lease has run out. */
  lookForDeadMs: number;
  /** How long a lease must have been seen as run out before its server is taken for dead. */
  patienceMs: number;
  /** Between two looks for changes that were not announced. */
  lookForChangesMs: number;
  /** Between two signs of life on the bus. Three that are missing mean silence, ten that the other is gone. */
  pulseMs: number;
}

export const FLEET_TIMES: FleetTimes = {
  beatMs: 500,
  leaseMs: 15_000,
  lookForDeadMs: 2_000,
  patienceMs: 5_000,
  lookForChangesMs: 5_000,
  pulseMs: 1_000,
};
