// examples/experiments-kafka as it is: its schema, its connectors' files in a real Kafka Connect, its project. Events come by
// change data capture, assignments through the outbox, tidemark and Connect are killed on the way, and all of it equals
// Postgres by value; an event of the outbox that Debezium sends again is still one row.
// Then the experiments pack, fed four ways with the same events (examples/experiments-ways): every table and view and the
// read-outs are the same.
//   TIDEMARK_SEED=42 node --test test/streaming/experiments_example.test.mjs
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { Connect } from '../harness/connect.mjs';
import { Kafka } from '../harness/kafka.mjs';
import { assert_same_rows } from '../harness/compare.mjs';
import { binary, eventually, root, run } from '../harness/process.mjs';
import { Project } from '../harness/project.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const example = path.join(root, 'examples/experiments-kafka');
const seed = Number(process.env.TIDEMARK_SEED ?? 11);
const variants_of = { 1: [1, 2], 2: [3, 4] };

test(`the experiments example (seed ${seed})`, { timeout: 600_000 }, async (t) => {
  let world;
  const ways = new Map();  // name -> project
  // Registered first, so that it runs before the world looks whether everything is gone.
  t.after(async () => {
    await Promise.allSettled([world?.connect?.stop('SIGKILL'), world?.kafka?.stop('SIGKILL'), ...[world?.project, ...ways.values()].map((project) => project?.up_child?.end({ signal: 'SIGKILL' }))]);
  });
  world = await make_world(t, 'experiments-example', { pack: null, database: 'experiments' });
  const { project, postgres, database } = world;
  for (const folder of ['sources', 'models', 'dashboards']) fs.cpSync(path.join(example, folder), path.join(project.directory, folder), { recursive: true });
  const prepared = postgres.sql(database, fs.readFileSync(path.join(example, 'postgres/schema.sql'), 'utf8'));
  const kafka = (world.kafka = await Kafka.start(world.directory));
  await prepared;
  project.environment = { KAFKA_BROKERS: kafka.brokers };
  const checked = await project.run('check');
  assert.equal(checked.code, 0, checked.stderr);
  await kafka.ask_for_topics('experiments_events', 'outbox.event.assignment');
  const connect = (world.connect = new Connect(world.directory, kafka));
  connect.environment = { PGHOST: '127.0.0.1', PGPORT: String(postgres.port), PGUSER: 'postgres', PGPASSWORD: 'unused', PGDATABASE: database };
  for (const name of ['events', 'outbox']) connect.add_text(`experiments-${name}`, fs.readFileSync(path.join(example, `connect/${name}.properties`), 'utf8'));

  // What the application does. Every identifier that assign() returned is one event of the outbox.
  const next = random_numbers(seed);
  const integer = (least, most) => least + Math.floor(next() * (most - least + 1));
  const published = [];
  let users = 0;
  const assign = async (count) => {
    const calls = Array.from({ length: count }, () => {
      const experiment = integer(1, 2);
      return `SELECT assign('user-${++users}', ${experiment}, ${variants_of[experiment][integer(0, 1)]})`;
    });
    published.push(...(await postgres.sql(database, `${calls.join(';\n')};`)).split('\n').filter(Boolean));
  };
  const work = async (rounds) => {
    for (let round = 0; round < rounds; ++round) {
      await assign(integer(1, 12));
      const statements = Array.from({ length: integer(1, 10) }, () => {
        const user = `user-${integer(1, users)}`;
        const kind = ['exposure', 'exposure', 'page_view', 'conversion'][integer(0, 3)];
        return [
          `SELECT track('${user}', ${integer(1, 2)}, '${kind}', '{"page": "/p${integer(1, 5)}", "device": "phone", "value": ${integer(0, 9999) / 100}}')`,
          `SELECT track('${user}', 1, '${kind}')`,
          `UPDATE events SET properties = properties || '{"value": 1.25}', event_type = 'conversion' WHERE user_id = '${user}'`,
          // before its assignment: not valid
          `UPDATE events SET occurred_at = occurred_at - interval '2 hours' WHERE id = ${integer(1, 200)}`,
          `DELETE FROM events WHERE id = ${integer(1, 200)}`,
          `BEGIN; SELECT assign('nobody-${round}', 1, 1); SELECT track('nobody-${round}', 1, 'conversion'); ROLLBACK`,
        ][integer(0, 5)];
      });
      await postgres.sql(database, `${statements.join(';\n')};`);
    }
  };

  // Everything before it in Postgres's log is in the warehouse when the mark is.
  let marks = 0;
  const begun = performance.now();
  const compare = async (phase) => {
    marks += 1;
    await postgres.sql(database, `SELECT assign('mark-${marks}', 1, 1), track('mark-${marks}', 1, 'mark')`).then((answer) => published.push(answer.split('\t')[0]));
    await postgres.sql(database, `SELECT track('mark-${marks}', 1, 'mark')`);
    await eventually(
      `${phase}: the mark arrives`,
      async (seen) => {
        if (!project.up_child.running) throw Object.assign(new Error('tidemark up ended'), { final: true });
        const found = await project.clickhouse(`SELECT (SELECT count() > 0 FROM silver.events WHERE user_id = 'mark-${marks}'), (SELECT count() FROM silver.assignments WHERE user_id = 'mark-${marks}')`);
        seen(found);
        return found === '1\t1\n';
      },
      { deadline_ms: 120_000, every_ms: 200 },
    ).catch((error) => {
      throw new Error(`${error.message}\n${project.log_tail()}\n${connect.log_tail()}`);
    });
    const columns = 'id, user_id, experiment_id, variant_id, event_type, occurred_at, assigned_at';
    const of_properties = "properties->>'page', properties->>'device', properties->>'value'";
    await eventually(
      `${phase}: events`,
      async () => project.assert_equal(`${phase}: events`, postgres, database, `SELECT ${columns}, ${of_properties} FROM events`,
        `SELECT ${columns}, ${['page', 'device', 'value'].map((name) => `if(JSONHas(properties, '${name}'), JSON_VALUE(properties, '$.${name}'), NULL)`).join(', ')} FROM bronze.events__current`),
      { deadline_ms: 20_000, every_ms: 200 },
    );
    const ids = (await project.clickhouse('SELECT toString(id) FROM bronze.outbox_events__current ORDER BY id')).split('\n').filter(Boolean);
    assert.deepEqual(ids.sort(), [...published].sort(), `${phase}: every event of the outbox once, and no other`);
    // A cut's rows are in before what is made of them; so each until it is.
    const becomes_equal = (what, expected, query) => eventually(`${phase}: ${what}`, () => project.assert_equal(`${phase}: ${what}`, postgres, database, expected, query), { deadline_ms: 20_000, every_ms: 200 });
    await project.assert_equal(`${phase}: assignments`, postgres, database, 'SELECT user_id, experiment_id, variant_id, assigned_at FROM assignments', 'SELECT user_id, experiment_id, variant_id, assigned_at FROM silver.assignments');
    await becomes_equal(
      'hours',
      `SELECT experiment_id, variant_id, date_trunc('hour', occurred_at AT TIME ZONE 'UTC'), count(*), count(*) FILTER (WHERE event_type = 'exposure'), count(*) FILTER (WHERE event_type = 'conversion'), sum(coalesce((properties->>'value')::numeric, 0))
       FROM events WHERE assigned_at IS NULL OR occurred_at >= assigned_at GROUP BY 1, 2, 3`,
      'SELECT experiment_id, variant_id, hour, events, exposures, conversions, value FROM analytics.experiment_hourly_stats',
    );
    await becomes_equal(
      'variants',
      `SELECT a.experiment_id, a.variant_id, count(DISTINCT a.user_id),
         count(DISTINCT a.user_id) FILTER (WHERE e.event_type = 'exposure' AND e.occurred_at >= a.assigned_at), count(DISTINCT a.user_id) FILTER (WHERE e.event_type = 'conversion' AND e.occurred_at >= a.assigned_at)
       FROM assignments a LEFT JOIN events e USING (user_id, experiment_id, variant_id) GROUP BY 1, 2`,
      'SELECT experiment_id, variant_id, assigned, exposed, converted FROM analytics.experiment_performance',
    );
    t.diagnostic(`${phase}: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
    const quarantined = (await project.status()).sources.flatMap((source) => source.tables.map((table) => table.quarantined));
    assert.deepEqual(quarantined, [0, 0], phase);
    assert.equal((await project.assert_verified()).models.length, 4);
  };

  // Nothing has been published yet: declared columns are enough. The outbox wants its connector before its first event.
  await postgres.sql(database, "INSERT INTO events (user_id, experiment_id, variant_id, event_type) SELECT 'early', 1, 1, 'page_view' FROM generate_series(1, 100)");
  await Promise.all([project.up(), connect.start()]);
  await eventually(
    'both slots are taken',
    async (seen) => {
      const active = await postgres.sql(database, 'SELECT slot_name FROM pg_replication_slots WHERE active ORDER BY 1');
      seen(`${active}\n${connect.log_tail()}`);
      return active === 'debezium_events\ndebezium_outbox';
    },
    { deadline_ms: 180_000, every_ms: 200 },
  );
  await work(5);
  await compare('the first rows');

  await t.test('tidemark and Connect are killed', async () => {
    const working = work(40);
    const connect_again = connect.stop('SIGKILL').then(() => connect.start());
    // Each start waits for Kafka's group; torture and kafka_sinks kill more often.
    for (let round = 0; round < (process.env.CI ? 1 : 3); ++round) {
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.up();
    }
    await Promise.all([connect_again, working]);
    await compare('kills');
    const sent = Number(/offset (\d+)/.exec(await kafka.kcat(['-Q', '-t', 'outbox.event.assignment:0:-1']))[1]);
    t.diagnostic(`${published.length} events of the outbox, ${sent} messages, seed ${seed}`);
    assert.ok(sent >= published.length);
  });

  await t.test('what is in the topic comes a second time: nothing changes', async () => {
    const outbox = await kafka.kcat(['-C', '-t', 'outbox.event.assignment', '-e', '-q', '-o', 'beginning', '-f', '%h\\n%k\\n%s\\n']);
    const [headers, key, value] = outbox.split('\n');
    await kafka.kcat(['-P', '-t', 'outbox.event.assignment', '-K', '\x01', ...headers.split(',').flatMap((header) => ['-H', header])], `${key}\x01${value}\n`);
    await compare('again');
  });
  await project.down();
  await project.assert_nothing_left();

  await t.test('tables, outbox, topics with and without schemas: the same', async () => {
    const url = await postgres.create_database('ways');
    const generate = async (...options) => {
      const result = await run(binary, ['generate', 'experiments', '--url', url, '--seed', String(seed), ...options]);
      assert.equal(result.code, 0, result.stderr);
    };
    await generate('--rows', '3000', '--updates', '0.05', '--deletes', '0.02');
    const tables = 'experiments,variants,users,assignments,events,outbox_events,true_effects'.split(',').map((name) => `public.${name}`).join(',');
    const copied = ['app', 'schemas'].map((name) => connect.begin(name, { ...Connect.settings(name, postgres, 'ways', { schemas: name === 'schemas' }), 'table.include.list': tables }));
    const environment = { EXPERIMENTS_DATABASE_URL: url, KAFKA_BROKERS: kafka.brokers };
    for (const [way, used] of [['tables'], ['outbox', 'outbox'], ['topics', 'topics'], ['schemas', 'topics']]) {
      const directory = path.join(world.directory, way);
      fs.mkdirSync(directory);
      const one = await Project.create(directory, { pack: 'experiments', environment });
      ways.set(way, one);
      if (used) assert.equal((await run(path.join(root, 'examples/experiments-ways/use'), [used, one.directory])).code, 0);
    }
    ways.get('schemas').write('sources/app.yaml', 'source: app\nkafka:\n  brokers: ${env:KAFKA_BROKERS}\n  format: debezium\n  pattern: "schemas\\\\.public\\\\..*"\n');
    await Promise.all(copied);
    // A topic is there with its first message.
    await eventually('all topics', async () => {
      const { topics } = JSON.parse(await kafka.kcat(['-L', '-J']));
      return ['app', 'schemas'].every((name) => topics.filter(({ topic }) => topic.startsWith(`${name}.public.`)).length === 7);
    }, { deadline_ms: 60_000, every_ms: 200 });
    await Promise.all([...ways.values()].map((one) => one.up()));
    await generate('--rows', '600', '--days', '2', '--updates', '0.3', '--deletes', '0.1');
    await ways.get('tables').caught_up(postgres, { database: 'ways' });

    const names = (await ways.get('tables').clickhouse("SELECT name FROM system.tables WHERE database = 'experiments_analytics' AND position(name, '__') = 0 ORDER BY name")).split('\n').filter(Boolean);
    assert.ok(names.length >= 19, names.join());
    // Texts of JSON are the same value, however they are spaced.
    const sorted = (value) => (value === null || typeof value !== 'object' ? value : Array.isArray(value) ? value.map(sorted) : Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])));
    const content = async (one, name) => {
      const { names: columns, types, rows } = await one.table(`SELECT * FROM experiments_analytics.${name}`);
      const texts = columns.flatMap((column, index) => (['properties', 'line'].includes(column) ? [index] : []));
      for (const row of rows) for (const index of texts) row[index] = JSON.stringify(sorted(JSON.parse(row[index])));
      return { columns, types, rows };
    };
    const at = new Date().toISOString().slice(0, 19) + 'Z';
    const read_outs = async (one) => {
      const found = [];
      for (const name of ['checkout_button', 'free_shipping', 'new_ranking']) {
        const answer = await one.fetch(`/api/experiments/${name}?at=${at}&dimension=device`, { signal: AbortSignal.timeout(60_000) });
        const text = await answer.text();
        assert.equal(answer.status, 200, text);
        const { exposures, metrics, dimensions, decisions } = JSON.parse(text);
        found.push({ exposures, metrics, dimensions, decisions });
      }
      // Sums of the same numbers in another order.
      return JSON.parse(JSON.stringify(found), (_, value) => (typeof value === 'number' ? Number(value.toPrecision(9)) : value));
    };
    const wanted = new Map();
    for (const name of names) wanted.set(name, await content(ways.get('tables'), name));
    for (const name of ['events_processed', 'assignments_processed', 'sessions', 'raw_events_kafka', 'attribution_markov']) assert.ok(wanted.get(name).rows.length > 0, name);
    const wanted_read_outs = await read_outs(ways.get('tables'));
    for (const [way, one] of ways) {
      if (way === 'tables') continue;
      await eventually(`${way}: the last event is in`, async (seen) => {
        const { rows } = await content(one, 'events_processed');
        const { rows: said } = await content(one, 'raw_events_kafka');
        seen(`${rows.length} ${said.length}`);
        assert_same_rows(`${way}: events`, wanted.get('events_processed').rows, rows, wanted.get('events_processed').types);
        return said.length === wanted.get('raw_events_kafka').rows.length;
      }, { deadline_ms: 60_000, every_ms: 500 });
      // Topics are read each by itself: the last event says nothing of what the others still have.
      for (const name of names)
        await eventually(`${way}: ${name}`, async () => {
          const found = await content(one, name);
          assert.deepEqual(found.columns, wanted.get(name).columns, `${way}: ${name}`);
          assert_same_rows(`${way}: ${name}`, wanted.get(name).rows, found.rows, wanted.get(name).types);
          return true;
        }, { deadline_ms: 60_000, every_ms: 500 });
      assert.deepEqual(await read_outs(one), wanted_read_outs, way);
    }
    t.diagnostic(`${names.length} tables and views by four ways: ${((performance.now() - begun) / 1000).toFixed(0)} s`);
  });
});
