import { FLEET_TIMES, type FleetTimes } from '../../src/fleet/times.ts';

/** All times of a fleet shorter by this factor, so that a test can go through many failures. */
export function faster(factor: number): FleetTimes {
  return {
    beatMs: FLEET_TIMES.beatMs / factor,
    leaseMs: FLEET_TIMES.leaseMs / factor,
    lookForDeadMs: FLEET_TIMES.lookForDeadMs / factor,
    patienceMs: FLEET_TIMES.patienceMs / factor,
    lookForChangesMs: FLEET_TIMES.lookForChangesMs / factor,
    pulseMs: FLEET_TIMES.pulseMs / factor,
  };
}
