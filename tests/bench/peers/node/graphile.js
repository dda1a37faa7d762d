// graphile.js POSTGRES_PORT JOBS plain|local: jobs through graphile-worker, added in bulk by this
// process and run by two others, with or without its local queue. Prints the seconds from the first
// add until none is left.
'use strict';
const { fork } = require('child_process');
const { Logger, run, runMigrations } = require('graphile-worker');
const { Client } = require('pg');

const port = Number(process.argv[2]);
const jobs = Number(process.argv[3]);
const mode = process.argv[4];
const connectionString = `postgres://postgres@127.0.0.1:${port}/postgres`;
const logger = new Logger(() => () => {});
const local = { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } };

async function work() {
  await run({
    connectionString, logger, noHandleSignals: true, concurrency: 24, maxPoolSize: 25,
    taskList: { noop: async () => {} }, preset: mode === 'local' ? local : undefined,
  });
  process.send('ready');
}

function start() {
  const child = fork(__filename, [port, 'worker', mode]);
  return new Promise((resolve) => child.once('message', () => resolve(child)));
}

const ADD = `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
  SELECT ('noop', json_build_object('id', i), NULL, now(), 25, NULL, 0, NULL)::graphile_worker.job_spec
  FROM generate_series($1::int, $2::int) i))`;

async function main() {
  await runMigrations({ connectionString, logger });
  const client = new Client({ connectionString });
  await client.connect();
  const children = await Promise.all([start(), start()]);
  const began = process.hrtime.bigint();
  for (let i = 0; i < jobs; i += 1000) {
    await client.query(ADD, [i, Math.min(jobs, i + 1000) - 1]);
  }
  for (;;) {
    const left = await client.query('SELECT 1 FROM graphile_worker._private_jobs LIMIT 1');
    if (left.rows.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  console.log(Number(process.hrtime.bigint() - began) / 1e9);
  children.forEach((child) => child.kill('SIGKILL'));
  process.exit(0);
}

if (process.argv[3] === 'worker') work();
else main();
