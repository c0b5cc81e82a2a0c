// What nearly every test needs: a Postgres, a database, a project, and the end of all three whatever happens.
//   const world = await make_world(t, 'adtech_kpis');    // t: the node:test context
//   await world.postgres.sql(world.database, ...); await world.project.up();
import { Postgres } from './postgres.mjs';
import { eventually, make_directory, processes_in, remove_directory } from './process.mjs';
import { Project } from './project.mjs';

export async function make_world(t, name, { pack = 'adtech', settings, database = 'ads' } = {}) {
  const directory = make_directory(name);
  const world = { directory, database };
  t.after(async () => {
    const endings = await Promise.allSettled([world.project?.up_child?.end({ signal: 'SIGKILL' })]);
    endings.push(...(await Promise.allSettled([world.postgres?.stop(), world.shards?.stop()])));
    const failed = endings.find((ending) => ending.status === 'rejected');
    await eventually('the processes of the test are gone', () => processes_in(directory).length === 0, { deadline_ms: 30_000 });
    remove_directory(directory);
    if (failed) throw failed.reason;
  });
  world.postgres = await Postgres.start(directory, settings);
  world.url = await world.postgres.create_database(database);
  world.project = await Project.create(directory, { pack, environment: { ADS_DATABASE_URL: world.url, FINANCE_DATABASE_URL: world.url, EXPERIMENTS_DATABASE_URL: world.url, CDP_DATABASE_URL: world.url, COMMERCE_DATABASE_URL: world.url } });
  return world;
}
