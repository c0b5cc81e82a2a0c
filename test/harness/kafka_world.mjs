// A world with a broker: what tests of sources over Kafka begin with.
import { Kafka } from './kafka.mjs';
import { eventually } from './process.mjs';
import { make_world } from './world.mjs';

export async function kafka_world(t, name) {
  // Registered first, so that it runs before the world looks whether everything is gone.
  let world;
  t.after(async () => {
    await Promise.allSettled([world?.connect?.stop('SIGKILL'), world?.kafka?.stop('SIGKILL'), world?.project?.up_child?.end({ signal: 'SIGKILL' })]);
  });
  world = await make_world(t, name, { pack: null, database: 'shop' });
  world.kafka = await Kafka.start(world.directory);
  world.project.environment.BROKERS = world.kafka.brokers;
  return world;
}

// Everything the brokers have is fenced: asked by the total of the topics' ends, which kcat reports.
export async function caught_up(world, name, topics) {
  let total = 0;
  for (const topic of topics) {
    const answer = await world.kafka.kcat(['-Q', '-t', `${topic}:0:-1`]);
    total += Number(/offset (\d+)/.exec(answer)[1]);
  }
  await eventually(
    'everything in the topics is fenced',
    async (seen) => {
      if (!world.project.up_child.running) throw Object.assign(new Error(`tidemark up ended\n${world.project.log_tail()}`), { final: true });
      const source = (await world.project.status()).sources.find((one) => one.source === name);
      seen(JSON.stringify(source));
      return source.state === 'streaming' && Number(source.ladder.fenced) >= total;
    },
    { deadline_ms: 90_000 },
  ).catch((error) => {
    throw new Error(`${error.message}\n${world.project.log_tail()}`);
  });
}
