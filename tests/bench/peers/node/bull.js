// bull.js REDIS_PORT JOBS: jobs through BullMQ, added in bulk by this process and run by two
// others. Prints the seconds from the first add until none is left.
'use strict';
const { fork } = require('child_process');
const { Queue, Worker } = require('bullmq');

const port = Number(process.argv[2]);
const jobs = Number(process.argv[3]);
const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };

async function work() {
  const worker = new Worker('noop', async () => {}, { connection, concurrency: 50 });
  await worker.waitUntilReady();
  process.send('ready');
}

function start() {
  const child = fork(__filename, [port, 'worker']);
  return new Promise((resolve) => child.once('message', () => resolve(child)));
}

async function main() {
  const queue = new Queue('noop', { connection });
  await queue.obliterate({ force: true });
  const children = await Promise.all([start(), start()]);
  const began = process.hrtime.bigint();
  for (let i = 0; i < jobs; i += 1000) {
    const some = [];
    for (let j = i; j < Math.min(jobs, i + 1000); j++) {
      some.push({ name: 'noop', data: { id: j }, opts: { removeOnComplete: true } });
    }
    await queue.addBulk(some);
  }
  for (;;) {
    const counts = await queue.getJobCounts('wait', 'active', 'prioritized');
    if (counts.wait + counts.active + counts.prioritized === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  console.log(Number(process.hrtime.bigint() - began) / 1e9);
  children.forEach((child) => child.kill('SIGKILL'));
  process.exit(0);
}

if (process.argv[3] === 'worker') work();
else main();
