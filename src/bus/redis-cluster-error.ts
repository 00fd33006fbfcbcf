/** Redis runs as a Cluster. The message says what to do. */
export class RedisClusterError extends Error {
  override readonly name = 'RedisClusterError';
  readonly exitCode = 78; // EX_CONFIG of sysexits.h

  constructor() {
    super(
      'REDIS_URL leads to a Redis Cluster, which Latchkey does not use. Set it to a server without cluster mode, which may have replicas.',
    );
  }
}
