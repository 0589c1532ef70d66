/**
 * All clients of a benchmark share one address and send as fast as they can, so the rates are out
 * of reach; everything is still counted and compared with them.
 */
const RATE = 1_000_000_000;

/** Settings of the subjects that are ours: a load that is the very most must not be turned away. */
export const OPEN_DOOR = {
  limits: {
    handshakesPerSecond: RATE,
    handshakesBurst: RATE,
    addressHandshakesPerSecond: RATE,
    addressHandshakesBurst: RATE,
    eventsPerSecond: RATE,
    eventsBurst: RATE,
    bytesPerSecond: RATE,
    bytesBurst: RATE,
  },
  overload: { enabled: false },
};
