// The experiments pack end to end: users in three experiments, events late and repeated, corrected and deleted, users in
// two variants, a planted sample-ratio mismatch. The read-out equals what Postgres computes by itself, before and after
// changes; every table and model equals its recompute; the outbox tells the same; effects that are known are covered.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { binary, eventually, root, run } from '../harness/process.mjs';
import { make_world } from '../harness/world.mjs';

const seed = process.env.TIDEMARK_SEED ?? '1';

// Conversion and revenue by arm of an experiment, from Postgres: first exposure, three days, one row a request.
const by_postgres = (experiment) => `
  WITH sent AS (SELECT DISTINCT ON (request_id) * FROM events WHERE experiment_id = ${experiment} ORDER BY request_id, id),
  exposed AS (SELECT user_id, min(variant_key) AS variant, min(timestamp) AS first_at FROM sent
              WHERE event_type = 'exposure' AND timestamp <= now() AT TIME ZONE 'UTC' GROUP BY user_id HAVING count(DISTINCT variant_key) = 1),
  units AS (SELECT x.variant, x.user_id, sum((e.properties->>'value')::numeric) AS spent, count(e.id) AS conversions FROM exposed x
            LEFT JOIN sent e ON e.user_id = x.user_id AND e.event_type = 'conversion' AND e.timestamp >= x.first_at AND e.timestamp < x.first_at + interval '72 hours'
            GROUP BY x.variant, x.user_id)
  SELECT variant, count(*), count(*) FILTER (WHERE conversions > 0), coalesce(sum(spent), 0)::float8, coalesce(sum(spent * spent), 0)::float8
  FROM units GROUP BY variant ORDER BY variant`;

test(`experiments pack (seed ${seed})`, { timeout: 480_000 }, async (t) => {
  const world = await make_world(t, 'experiments-pack', { pack: 'experiments', database: 'experiments' });
  const { postgres, project, database } = world;
  const rows = async (query) => (await postgres.sql(database, query)).trim().split('\n').map((line) => line.split('\t'));
  const generate = async (...options) => {
    const result = await run(binary, ['generate', 'experiments', '--url', world.url, '--seed', seed, ...options]);
    assert.equal(result.code, 0, result.stderr);
  };
  const report = async (name, query = '') => {
    const answer = await project.fetch(`/api/experiments/${name}${query}`, { signal: AbortSignal.timeout(60_000) });
    assert.equal(answer.status, 200, await answer.clone().text());
    return answer.json();
  };
  const near = (left, right, what) => assert.ok(Math.abs(left - right) <= 1e-9 * Math.max(1, Math.abs(right)), `${what}: ${left} and ${right}`);
  const differs = async (number, name) => {
    const expected = await rows(by_postgres(number));
    const { metrics, exposures } = await report(name);
    const arms = (metric) => new Map(metrics.find((one) => one.metric === metric).arms.map((arm) => [arm.variant, arm.sums]));
    assert.equal(exposures.arms.length, expected.length);
    for (const [variant, units, converted, spent, squares] of expected) {
      assert.equal(exposures.arms.find((arm) => arm.variant === variant).units, Number(units), `${name} ${variant}`);
      assert.equal(arms('conversion').get(variant).sum, Number(converted), `${name} ${variant}`);
      near(arms('revenue_per_user').get(variant).sum, Number(spent), `${name} ${variant}`);
      near(arms('revenue_per_user').get(variant).sum_squares, Number(squares), `${name} ${variant}`);
    }
  };
  const all_equal = async () => {
    for (const [number, name] of [[1, 'checkout_button'], [2, 'free_shipping'], [3, 'new_ranking']]) await differs(number, name);
  };
  const caught_up = async () => {
    const count = (await rows("SELECT count(*), coalesce(sum(round((properties->>'value')::numeric * 100)), 0) FROM events"))[0].join('\t');
    await eventually('events are mirrored', async () =>
      (await project.clickhouse("SELECT count(), sum(toInt64(round(JSONExtractFloat(toString(properties), 'value') * 100))) FROM bronze.events__current")).trim() === count);
    // And what is made of them, which is in with the fence.
    await project.caught_up(postgres);
  };
  const verified = async () => {
    const result = await project.run('verify', '--json');
    assert.equal(result.code, 0, result.stdout.slice(0, 3000) + result.stderr);
    const parity = JSON.parse(result.stdout);
    assert.ok(parity.ok && parity.models.length >= 17);
    const audits = await project.run('audit');
    assert.equal(audits.code, 0, `the outbox tells what the table tells: ${audits.stdout}${audits.stderr}`);
  };

  await t.test('history', async () => {
    await generate('--rows', '30000', '--updates', '0.02', '--deletes', '0.005');
    await project.up();
    await caught_up();
    await all_equal();
  });

  await t.test('what was planted is found', async () => {
    const truth = await rows('SELECT experiment_key, variant_key, metric, effect FROM true_effects');
    assert.equal(truth.length, 8);
    const reports = new Map();
    for (const name of ['checkout_button', 'free_shipping', 'new_ranking']) reports.set(name, await report(name));
    for (const [experiment, variant, metric, effect] of truth) {
      const comparison = reports.get(experiment).metrics.find((one) => one.metric === metric).comparisons.find((one) => one.variant === variant);
      assert.ok(comparison.sequential.lower <= Number(effect) && Number(effect) <= comparison.sequential.upper, `${experiment} ${variant} ${metric}: ${JSON.stringify(comparison)}`);
    }
    assert.deepEqual([...reports].filter(([, one]) => one.exposures.sample_ratio.alarm).map(([name]) => name), ['free_shipping']);
    assert.equal(reports.get('free_shipping').decisions[0].hint, 'repair');
    assert.ok(reports.get('checkout_button').exposures.multiple_exposure.units > 0);
  });

  await t.test('a stream with corrections and deletes', async () => {
    await generate('--rows', '2000', '--days', '2', '--updates', '0.3', '--deletes', '0.1');
    // An exposure turns out to have been of another variant; the application announces what it does.
    const moved = "event_type = 'exposure' AND experiment_id = 1 AND user_id = (SELECT max(user_id) FROM events WHERE experiment_id = 1 AND event_type = 'exposure')";
    await postgres.sql(database, `BEGIN;
      UPDATE events SET variant_key = CASE variant_key WHEN 'blue' THEN 'green' ELSE 'blue' END, variant_id = CASE variant_key WHEN 'blue' THEN 2 ELSE 3 END WHERE ${moved};
      INSERT INTO outbox_events SELECT (SELECT max(id) FROM outbox_events) + row_number() OVER (), id, 'event', 'EVENT_UPDATED', to_jsonb(events), timestamp FROM events WHERE ${moved};
      COMMIT`);
    await caught_up();
    let last;
    await eventually('the read-outs are of the last commit', async () => all_equal().then(() => true, (error) => ((last = error), false)), { deadline_ms: 20_000 }).catch(() => assert.fail(last));
    await verified();
  });

  const exposure = (id, user, variant, key) =>
    `INSERT INTO events (id, experiment_id, user_id, variant_id, variant_key, event_type, timestamp, assignment_at, properties, session_id, request_id)
     VALUES (${id}, 1, '${user}', ${variant}, '${key}', 'exposure', now() AT TIME ZONE 'UTC' - interval '1 hour', now() AT TIME ZONE 'UTC' - interval '2 hours', '{}', '', 'request of ${user}');
     INSERT INTO outbox_events SELECT (SELECT max(id) FROM outbox_events) + 1, id, 'event', 'EVENT_CREATED', to_jsonb(events), timestamp FROM events WHERE id = ${id};`;
  const highest_id = async () => Number((await rows('SELECT max(id) FROM events'))[0][0]);

  await t.test('counters are of the last second, statistics of the last minute', async () => {
    const counted = async () => (await (await project.fetch('/api/experiments')).json()).experiments.find((one) => one.experiment === 'checkout_button').exposures;
    let id = await highest_id();
    let { units, sample_ratio } = await counted();
    const waits = { commit: [], counters: [], statistics: [] };
    for (let turn = 0; turn < 5; ++turn) {
      await postgres.sql(database, exposure(++id, `fresh-${turn}`, 2, 'green'));
      const committed = performance.now();
      await eventually('the exposure is in its model', async () => (await project.clickhouse(`SELECT count() FROM tidemark_experiments.checkout_button_exposures WHERE unit = 'fresh-${turn}'`)).trim() === '1', { deadline_ms: 20_000, every_ms: 20 });
      const queryable = performance.now();
      const before = sample_ratio.p_value;
      await eventually('the counters have it', async (seen) => {
        const found = await counted();
        seen(found.units);
        if (found.units !== units + 1) return false;
        ({ units, sample_ratio } = found);
        return sample_ratio.p_value !== before;
      }, { deadline_ms: 10_000, every_ms: 100 });
      waits.counters.push(performance.now() - queryable);
      waits.commit.push(performance.now() - committed);
      if (turn > 1) continue;
      await eventually('the read-out has it', async (seen) => {
        const found = await report('checkout_button');
        seen(found.exposures.units);
        return found.exposures.units === units && found.metrics[0].arms.reduce((sum, arm) => sum + arm.units, 0) === units;
      }, { deadline_ms: 60_000, every_ms: 100 });
      waits.statistics.push(performance.now() - committed);
    }
    t.diagnostic(`counters: ${waits.counters.map(Math.round)} ms from the exposure's row on, ${waits.commit.map(Math.round)} from its commit; statistics: ${waits.statistics.map(Math.round)}`);
    // A machine may be busy with something else, but not at each turn.
    assert.ok(Math.min(...waits.counters) <= 1000, `counters after ${waits.counters.map(Math.round)} ms`);
  });

  // Every commit is told with the log's position before and after it, so that a fence says how many are before it.
  await t.test('a read-out is exactly what there was at its fence, while commits come', async () => {
    const number = (lsn) => BigInt(`0x${lsn.split('/')[0]}`) * 0x1_0000_0000n + BigInt(`0x${lsn.split('/')[1]}`);
    await eventually('nothing is on the way', async () => (await report('checkout_button')).exposures.units === Number((await (await project.fetch('/api/experiments')).json()).experiments[0].exposures.units));
    await caught_up();
    const begun = (await report('checkout_button', '?dimension=device')).exposures.units;
    let id = await highest_id();
    const commits = [];
    let writing = true;
    const written = (async () => {
      for (let turn = 0; writing && turn < 2000; ++turn, await sleep(50)) {
        const users = 1 + (turn % 3);
        const rows_of = Array.from({ length: users }, (_, place) => exposure(++id, `fenced-${turn}-${place}`, 3, 'blue')).join('\n');
        const [inside, after] = (await postgres.sql(database, `BEGIN; ${rows_of} SELECT pg_current_wal_insert_lsn(); COMMIT; SELECT pg_current_wal_insert_lsn()`)).trim().split('\n');
        commits.push({ inside: number(inside), after: number(after), users });
      }
    })();
    const answers = [];
    try {
      // A document is given again for two seconds, the same question; these are different ones.
      for (const query of ['', '?dimension=device', `?at=${new Date(Date.now() + 1000).toISOString().slice(0, 19)}Z`, '?dimension=device&dimension=device', `?at=${new Date(Date.now() + 3000).toISOString().slice(0, 19)}Z`, '?series=1'])
        answers.push({ query, ...(await report('checkout_button', query)) });
    } finally {
      writing = false;
      await written;
    }
    const named = answers.filter(({ fence }) => fence !== null);
    t.diagnostic(`${commits.length} commits, fences of ${named.length} of ${answers.length} answers${answers.filter(({ no_fence }) => no_fence).map((one) => `; ${one.query}: ${one.no_fence}`)}`);
    assert.ok(commits.length >= 5 && named.length >= 2);
    for (const { query, fence, exposures } of named) {
      const at = number(fence.sources.app.lsn);
      const sum = (chosen) => chosen.reduce((total, { users }) => total + users, begun);
      // A fence between a commit's rows and its end is before it; the position that is told lies in between.
      const sure = sum(commits.filter(({ after }) => after <= at)), possible = sum(commits.filter(({ inside }) => inside < at));
      assert.ok(exposures.units === sure || exposures.units === possible, `${query}: ${exposures.units} units at ${fence.sources.app.lsn}, ${sure} or ${possible} were there`);
    }
  });

  // What is kept between questions against what the verb reads anew, which knows nothing of it.
  const kept_is_anew = async () => {
    const recomputed = [];
    for (const name of ['checkout_button', 'free_shipping', 'new_ranking']) {
      // A document is given again for two seconds.
      const kept = await report(name, '?dimension=device');
      const answer = await project.run('experiment', 'report', name, '--json', '--dimension', 'device');
      assert.equal(answer.code, 0, answer.stderr);
      const anew = JSON.parse(answer.stdout);
      assert.deepEqual(kept.exposures.arms, anew.exposures.arms, name);
      assert.deepEqual(kept.exposures.multiple_exposure, anew.exposures.multiple_exposure, name);
      const same = (left, right, where) => {
        if (typeof left === 'number') near(left, right, where);
        else if (left === null || typeof left !== 'object') assert.equal(left, right, where);
        else for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) same(left[key], right[key], `${where}.${key}`);
      };
      same(kept.metrics.map((metric) => metric.arms), anew.metrics.map((metric) => metric.arms), name);
      same(kept.dimensions[0].levels.map(({ level, arms, metrics }) => [level, arms, metrics.map((metric) => metric.values)]),
        anew.dimensions[0].levels.map(({ level, arms, metrics }) => [level, arms, metrics.map((metric) => metric.values)]), `${name} by device`);
      recomputed.push(kept.units_recomputed);
    }
    return recomputed;
  };

  await t.test('what is kept is what is read anew, after corrections, late rows, deletes and a kill', async () => {
    await kept_is_anew();
    await generate('--rows', '300', '--days', '1', '--updates', '0.5', '--deletes', '0.2');
    await caught_up();
    let seen;
    // The cut is in when all of it is: until then the two look at different moments.
    await eventually('kept and anew are of the last commit', async () => kept_is_anew().then((found) => ((seen = found), true), (error) => ((seen = error), false)), { deadline_ms: 30_000, every_ms: 2_100 })
      .catch(() => assert.fail(seen));
    assert.ok(seen.every((count) => count !== 'all'), `only touched units were read: ${seen}`);
    project.up_child.kill('SIGKILL');
    await project.up_child.ended;
    await project.up();
    await caught_up();
    await kept_is_anew();
  });

  await t.test('as of then, by device, over time', async () => {
    const past = await report('checkout_button', `?at=${new Date(Date.now() - 20 * 86_400_000).toISOString().slice(0, 10)}&series=3&dimension=device`);
    const now = await report('checkout_button');
    assert.ok(past.exposures.units > 0 && past.exposures.units < now.exposures.units);
    assert.equal(past.series.length, 3);
    assert.deepEqual(past.series[2].arms, past.exposures.arms, 'the last point is the report');
    assert.ok(past.series[0].arms[0].units < past.series[2].arms[0].units);
    const levels = past.dimensions[0].levels;
    assert.deepEqual(levels.map((level) => level.level).sort(), ['desktop', 'mobile', 'tablet']);
    for (const arm of past.exposures.arms)
      assert.equal(levels.reduce((sum, level) => sum + level.arms.find((one) => one.variant === arm.variant).units, 0), arm.units);
    assert.equal((await project.fetch('/api/experiments/checkout_button?dimension=devise')).status, 400);
    assert.equal((await project.fetch('/api/experiments/nothing')).status, 404);
    const list = await (await project.fetch('/api/experiments')).json();
    assert.deepEqual(list.experiments.map((one) => [one.experiment, one.deployed]), [['checkout_button', true], ['free_shipping', true], ['new_ranking', true]]);
    const text = await project.run('experiment', 'report', 'checkout_button');
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /conversion\tgreen/);
  });

  await t.test('check --connect asks the warehouse whether metrics and exposures fit', async () => {
    const good = await project.run('check', '--connect');
    // Its slot is ours.
    assert.match(good.stdout, /pass\s+experiments\s+warehouse: 3 experiments/, good.stdout + good.stderr);
    const metric = project.read('metrics/clicks.yaml'), experiment = project.read('experiments/new_ranking.yaml');
    project.write('metrics/clicks.yaml', metric.replace('where: is_click', 'where: is_clicked'));
    project.write('experiments/new_ranking.yaml', experiment.replace('unit: user_id', 'unit: no_such_user'));
    try {
      const bad = await project.run('check', '--connect');
      assert.doesNotMatch(bad.stdout, /pass\s+experiments/);
      assert.match(bad.stdout, /metrics\/clicks\.yaml[^]*is_clicked/);
      assert.match(bad.stdout, /experiments\/new_ranking\.yaml[^]*no_such_user/);
    } finally {
      project.write('metrics/clicks.yaml', metric);
      project.write('experiments/new_ranking.yaml', experiment);
    }
  });

  await t.test('sessions, retention and attribution are what Postgres computes', async () => {
    await postgres.sql(database, `CREATE TABLE sent AS SELECT DISTINCT ON (request_id) * FROM events ORDER BY request_id, id;
      CREATE INDEX ON sent (user_id); ANALYZE sent`);
    // A visit ends where the next event is more than 30 minutes away.
    const sessions = await rows(`WITH gaps AS (SELECT user_id, timestamp, event_type,
        coalesce(extract(epoch FROM date_trunc('second', timestamp) - date_trunc('second', lag(timestamp) OVER w)) > 1800, false)::int AS fresh FROM sent WINDOW w AS (PARTITION BY user_id ORDER BY timestamp, id)),
      visits AS (SELECT *, sum(fresh) OVER (PARTITION BY user_id ORDER BY timestamp ROWS UNBOUNDED PRECEDING) AS visit FROM gaps),
      sessions AS (SELECT user_id, visit, count(*) AS events, count(*) FILTER (WHERE event_type = 'page_view') AS pages FROM visits GROUP BY 1, 2)
      SELECT count(*), sum(events), sum(events * events), sum(pages * events) FROM sessions`);
    assert.equal((await project.clickhouse('SELECT count(), sum(events), sum(events * events), sum(page_views * events) FROM experiments_analytics.sessions')).trim(), sessions[0].join('\t'));
    const retention = await rows(`WITH first AS (SELECT experiment_id, variant_id, user_id, min(timestamp)::date AS day FROM sent WHERE event_type = 'exposure' AND timestamp >= assignment_at GROUP BY 1, 2, 3)
      SELECT s.timestamp::date - f.day AS n, count(DISTINCT (f.experiment_id, f.variant_id, f.user_id)) FROM first f JOIN sent s USING (experiment_id, variant_id, user_id)
      WHERE s.timestamp >= s.assignment_at AND s.timestamp::date - f.day BETWEEN 0 AND 14 GROUP BY n ORDER BY n`);
    const days = (await project.clickhouse('SELECT day, sum(returned) FROM experiments_analytics.cohort_retention GROUP BY day HAVING sum(returned) > 0 ORDER BY day')).trim().split('\n').map((line) => line.split('\t'));
    assert.deepEqual(days, retention);
    const touches = await rows(`WITH touch AS (SELECT c.request_id AS conversion, t.properties->>'source' AS source,
        row_number() OVER (PARTITION BY c.request_id ORDER BY t.timestamp, t.id) AS place, count(*) OVER (PARTITION BY c.request_id) AS n
        FROM sent c JOIN sent t ON t.user_id = c.user_id AND t.timestamp <= c.timestamp AND t.properties->>'source' <> '' WHERE c.event_type = 'conversion')
      SELECT source, count(*) FILTER (WHERE place = 1), count(*) FILTER (WHERE place = n), round(sum(1.0 / n), 6),
        round(sum(CASE WHEN n = 1 THEN 1 WHEN n = 2 THEN 0.5 WHEN place IN (1, n) THEN 0.4 ELSE 0.2 / (n - 2) END), 6) FROM touch GROUP BY source ORDER BY source`);
    const credits = (await project.clickhouse('SELECT source, first_touch, last_touch, linear, position_based FROM experiments_analytics.attribution ORDER BY source')).trim().split('\n').map((line) => line.split('\t'));
    assert.deepEqual(credits.map((line) => line.slice(0, 3)), touches.map((line) => line.slice(0, 3)));
    credits.forEach((line, index) => { for (const place of [3, 4]) assert.ok(Math.abs(Number(line[place]) - Number(touches[index][place])) < 2e-6, `${line} and ${touches[index]}`); });
    // Steps in their order: exposed, then clicked at or after, then converted at or after.
    const funnel = await rows(`WITH own AS (SELECT * FROM sent WHERE timestamp >= assignment_at),
      one AS (SELECT experiment_id, variant_id, user_id, min(timestamp) AS at FROM own WHERE event_type = 'exposure' GROUP BY 1, 2, 3),
      two AS (SELECT o.experiment_id, o.variant_id, o.user_id, min(e.timestamp) AS at FROM one o JOIN own e USING (experiment_id, variant_id, user_id) WHERE e.event_type = 'click' AND e.timestamp >= o.at GROUP BY 1, 2, 3),
      three AS (SELECT DISTINCT o.experiment_id, o.variant_id, o.user_id FROM two o JOIN own e USING (experiment_id, variant_id, user_id) WHERE e.event_type = 'conversion' AND e.timestamp >= o.at)
      SELECT experiment_id, variant_id, count(*), (SELECT count(*) FROM two t WHERE (t.experiment_id, t.variant_id) = (o.experiment_id, o.variant_id)),
        (SELECT count(*) FROM three t WHERE (t.experiment_id, t.variant_id) = (o.experiment_id, o.variant_id)) FROM one o GROUP BY experiment_id, variant_id ORDER BY 1, 2`);
    assert.equal((await project.clickhouse('SELECT experiment_id, variant_id, exposed, clicked, converted FROM experiments_analytics.experiment_funnel ORDER BY 1, 2')).trim(), funnel.map((line) => line.join('\t')).join('\n'));
  });

  await t.test('Markov chains and Shapley values are those of the calculator', async () => {
    const lines = (await project.clickhouse('SELECT converted, value, toJSONString(sources) FROM experiments_analytics.attribution_paths')).trim().split('\n').map((line) => line.split('\t'));
    const paths = new Map();
    for (const [converted, , sources] of lines) paths.set(`${converted}${sources}`, [JSON.parse(sources), converted === '1', (paths.get(`${converted}${sources}`)?.[2] ?? 0) + 1]);
    assert.ok(paths.size > 20 && lines.some(([converted]) => converted === '0'));
    const calculate = async (method) => {
      const result = await run(binary, ['stats'], { input: `${JSON.stringify({ id: method, method, paths: [...paths.values()] })}\n` });
      assert.equal(result.code, 0, result.stdout + result.stderr);
      return JSON.parse(result.stdout).result;
    };
    const credits = async (query) => Object.fromEntries((await project.clickhouse(query)).trim().split('\n').map((line) => line.split('\t')).map(([source, value]) => [source, Number(value)]));
    const compare = (left, right, what) => {
      assert.deepEqual(Object.keys(left).sort(), Object.keys(right).sort());
      for (const source of Object.keys(left)) assert.ok(Math.abs(left[source] - right[source]) < 1e-6 * Math.max(1, Math.abs(right[source])), `${what} ${source}: ${left[source]} and ${right[source]}`);
    };
    compare(await credits('SELECT source, conversions FROM experiments_analytics.attribution_shapley'), (await calculate('attribution_shapley')).credited_conversions, 'Shapley');
    const markov = await calculate('attribution_markov_order1');
    compare(await credits('SELECT source, removal_effect FROM experiments_analytics.attribution_markov'), markov.removal_effect, 'removal effect');
    compare(await credits('SELECT source, conversions_credited FROM experiments_analytics.attribution_markov'), markov.credited_conversions, 'Markov');
  });

  await t.test('attribution adds up; funnels narrow; the journey is the assignments', async () => {
    const one = async (query) => (await project.clickhouse(query)).trim();
    const [first, last, indirect, linear, decay, place] = (await one('SELECT sum(first_touch), sum(last_touch), sum(last_non_direct), sum(linear), sum(time_decay), sum(position_based) FROM experiments_analytics.attribution')).split('\t').map(Number);
    for (const sum of [last, indirect, linear, decay, place]) assert.equal(sum, first);
    assert.ok(first > 100);
    assert.equal(await one('SELECT countIf(exposed < clicked OR clicked < converted) FROM experiments_analytics.experiment_funnel'), '0');
    assert.equal(await one('SELECT count() FROM experiments_analytics.user_journey_analysis'), (await rows('SELECT count(*) FROM assignments'))[0][0]);
    const events = (await rows('SELECT count(DISTINCT request_id) FROM events'))[0][0];
    for (const table of ['experiment_daily_stats', 'experiment_hourly_stats', 'user_experiment_stats', 'sessions', 'heatmap'])
      assert.equal(await one(`SELECT sum(events) FROM experiments_analytics.${table}`), events, table);
  });

  // Last: its rows are of experiments of their own, and in no outbox.
  await t.test('golden cases of product analytics', async () => {
    const cases = JSON.parse(fs.readFileSync(`${root}/test/data/product_analytics.json`, 'utf8'));
    const quoted = (text) => `'${String(text).replaceAll("'", "''")}'`;
    let id = Number((await rows('SELECT max(id) FROM events'))[0][0]);
    for (const late of [false, true]) {
      const values = cases.flatMap(({ events }, number) => events.filter((event) => (event[4] === 'late') === late).map(([user, seconds, type, properties = {}]) =>
        `(${++id}, ${1000 + number}, ${quoted(`case ${number} ${user}`)}, 1, 'v', ${quoted(type)}, timestamp '2026-03-02 00:00:00' + interval '${seconds} seconds', NULL, ${quoted(JSON.stringify(properties))}, '', 'case ${id}')`));
      await postgres.sql(database, `INSERT INTO events (id, experiment_id, user_id, variant_id, variant_key, event_type, timestamp, assignment_at, properties, session_id, request_id) VALUES ${values.join(', ')}`);
      await caught_up();
    }
    const total = cases.reduce((sum, { events }) => sum + events.length, 0);
    await eventually('the cases are there', async () => (await project.clickhouse("SELECT count() FROM experiments_analytics.events_processed WHERE experiment_id >= 1000")).trim() === String(total));
    for (const [number, { name, why, endpoint, ask, columns, expect }] of cases.entries()) {
      const query = new URLSearchParams({ experiment_id: 1000 + number, ...ask, format: 'jsonl' });
      const answer = await project.fetch(`/api/endpoints/${endpoint}?${query}`);
      const text = await answer.text();
      assert.equal(answer.status, 200, `${name}: ${text}`);
      const found = text.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line)).map((row) => columns.map((column) => (typeof expect[0][columns.indexOf(column)] === 'number' ? Number(row[column]) : row[column])));
      assert.deepEqual(found, expect, `${endpoint}, ${name}: ${why}`);
    }
    assert.notEqual((await project.fetch('/api/endpoints/funnel?experiment_id=1&mode=sideways')).status, 200);
  });
});
