// kill -9 of tidemark, or of its ClickHouse, at random moments while payments settle, rates are corrected and accounts
// move: keyed models over stores and dimensions, and everything else of the finance pack, by value after the load.
//   ROUNDS=50 TIDEMARK_SEED=42 node --test test/torture/finance.test.mjs
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_finance_equal } from '../harness/finance.mjs';
import { Child, binary, run } from '../harness/process.mjs';
import { random_numbers } from '../harness/random.mjs';
import { make_world } from '../harness/world.mjs';

const rounds = Number(process.env.ROUNDS ?? (process.env.TIDEMARK_TORTURE === 'short' ? 4 : 40));
const compare_every = 8;
const seed = Number(process.env.TIDEMARK_SEED ?? Date.now() % 1_000_000_007);

// What the generator leaves alone: changes that reach fraud_features by way of what it joins.
const elsewhere = [
  `UPDATE raw_fx_rates SET rate_to_eur = rate_to_eur * 1.01 WHERE date = (SELECT max(date) - 3 FROM raw_fx_rates)`,
  `UPDATE raw_accounts SET country = 'NO' WHERE abs(hashtext(account_id::text)) % 40 = 1`,
  `UPDATE raw_ip_geo SET is_proxy_or_vpn = NOT is_proxy_or_vpn WHERE abs(hashtext(ip)) % 30 = 2`,
  `DELETE FROM raw_fx_rates WHERE currency = 'CHF' AND date = (SELECT max(date) - 5 FROM raw_fx_rates WHERE currency = 'CHF')`,
];

test(`finance: ${rounds} rounds of kill -9 under load (seed ${seed})`, { timeout: 3_600_000 }, async (t) => {
  const random = random_numbers(seed);
  const world = await make_world(t, 'torture_finance', { pack: 'finance', database: 'bank' });
  const { project, postgres, database, url } = world;
  const generate = (...options) => ['generate', 'finance', '--url', url, '--updates', '0.3', '--deletes', '0.05', ...options];
  const world_made = await run(binary, ['generate', 'finance', 'world', '--url', url, '--accounts', '400', '--addresses', '900', '--merchants', '20', '--seed', String(seed)]);
  assert.equal(world_made.code, 0, world_made.stderr);
  const history = await run(binary, generate('--rows', '20000', '--seed', String(seed)));
  assert.equal(history.code, 0, history.stderr);
  let traffic;
  t.after(() => traffic?.end({ signal: 'SIGKILL' }));
  const kills = { tidemark: 0, clickhouse: 0 };
  let rows = 0;
  for (let round = 1; round <= rounds; ++round) {
    traffic ??= new Child(binary, generate('--rate', '1500', '--seed', String(seed + round)));
    if (!project.up_child?.running) project.launch();
    if (random() < 0.7) await project.ready({ deadline_ms: 120_000 });
    await postgres.sql(database, elsewhere[Math.floor(random() * elsewhere.length)]);
    // A wait of random length is what is being tested, not a way to synchronise.
    await new Promise((resolve) => setTimeout(resolve, random() * 2000));
    assert.ok(project.up_child.running, `tidemark ended by itself in round ${round}:\n${project.log_tail()}`);
    assert.ok(traffic.running, `the generator ended by itself:\n${traffic.stderr}`);
    if (random() < 0.6) {
      project.up_child.kill('SIGKILL');
      await project.up_child.ended;
      await project.assert_nothing_left();
      ++kills.tidemark;
    } else {
      await project.kill_clickhouse();
      ++kills.clickhouse;
    }
    if (round % compare_every !== 0 && round !== rounds) continue;
    assert.equal((await traffic.end({ signal: 'SIGINT' })).code, 0, traffic.stderr);
    traffic = undefined;
    if (!project.up_child.running) project.launch();
    await project.ready({ deadline_ms: 180_000 });
    rows = await assert_finance_equal(world, `round ${round}, seed ${seed}`);
    const proof = await project.json('verify');
    assert.deepEqual(proof.data.models.filter((model) => model.different), []);
    assert.ok(proof.data.models.some(({ model, rows }) => model === 'reporting.fraud_features' && rows > 1000));
  }
  t.diagnostic(`rounds ${rounds}, kills ${JSON.stringify(kills)}, rows compared at the end ${rows}, lost 0, doubled 0, seed ${seed}`);
  await project.down();
  await project.assert_nothing_left();
});
