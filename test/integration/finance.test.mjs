// The finance pack end to end: initial copy, stream, and everything a bank's numbers must survive - settlements,
// charge-backs, late and corrected exchange rates, unknown currencies, renamed merchants, addresses that turn out to be
// proxies. After each step (compared_after) every table and every model equals what Postgres computes, by value.
import assert from 'node:assert/strict';
import test from 'node:test';
import { assert_finance_equal } from '../harness/finance.mjs';
import { binary, eventually, run } from '../harness/process.mjs';
import { compared_after } from '../harness/pack.mjs';
import { make_world } from '../harness/world.mjs';

const seed = process.env.TIDEMARK_SEED ?? String(Date.now() % 1_000_000);

async function generate(world, ...options) {
  const result = await run(binary, ['generate', 'finance', '--url', world.url, '--seed', seed, ...options]);
  assert.equal(result.code, 0, result.stderr);
}

test(`finance (seed ${seed})`, { timeout: 900_000 }, async (t) => {
  const world = await make_world(t, 'finance', { pack: 'finance', database: 'bank' });
  const { postgres, project, database } = world;
  const sql = (text) => postgres.sql(database, text);
  const number = async (query) => Number(await project.clickhouse(query));

  await t.test('initial copy', async () => {
    await generate(world, 'world', '--accounts', '150', '--addresses', '600', '--merchants', '20');
    await generate(world, '--rows', '5000', '--updates', '0.06', '--deletes', '0.005');
    await project.up();
    assert.ok((await assert_finance_equal(world, 'initial copy')) > 5_000);
    const plan = await project.run('plan');
    assert.equal(plan.code, 0, `another process makes the same of the same models: ${plan.stdout}`);
  });

  await t.test('a stream of payments that settle, fail, are corrected and charged back', async () => {
    await generate(world, '--rate', '3000', '--rows', '3000', '--updates', '0.3', '--deletes', '0.03');
    await generate(world, '--rows', '1500', '--days', '3', '--updates', '0.5', '--deletes', '0.05', '--transaction-rows', '300');
    await assert_finance_equal(world, 'stream');
  });

  const one = (what) => `(SELECT ${what} FROM raw_transactions WHERE status = 'success' AND currency <> 'EUR' ORDER BY transaction_id LIMIT 1)`;
  const steps = {
    'all pending payments settle': `UPDATE raw_transactions SET status = CASE WHEN amount > 20 THEN 'success' ELSE 'failed' END WHERE status = 'pending'`,
    'charge-backs: some rows go, some say failed': `
      BEGIN;
      DELETE FROM raw_transactions WHERE abs(hashtext(transaction_id::text)) % 97 = 0;
      UPDATE raw_transactions SET status = 'failed' WHERE abs(hashtext(transaction_id::text)) % 89 = 0;
      COMMIT`,
    'a rate arrives late, in the middle of a weekend': `
      INSERT INTO raw_fx_rates SELECT day::date, currency, rate FROM generate_series((SELECT min(timestamp) FROM raw_transactions), now(), '1 day') AS day
      CROSS JOIN (VALUES ('GBP', 1.234567), ('SEK', 0.099999)) AS late (currency, rate)
      WHERE extract(isodow FROM day) = 6 ON CONFLICT DO NOTHING`,
    'a rate is corrected': `UPDATE raw_fx_rates SET rate_to_eur = rate_to_eur * 1.1 WHERE currency = 'USD' AND date = (SELECT max(date) - 7 FROM raw_fx_rates WHERE currency = 'USD')`,
    'a rate is taken back: the one before is carried forward': `DELETE FROM raw_fx_rates WHERE currency = 'CHF' AND date > (SELECT max(date) - 9 FROM raw_fx_rates)`,
    'a rate moves to another day and currency': `
      UPDATE raw_fx_rates SET date = date + 400, currency = 'XAU' WHERE currency = 'PLN' AND date = (SELECT max(date) FROM raw_fx_rates WHERE currency = 'PLN')`,
    'a merchant is renamed': `UPDATE raw_merchants SET merchant_name = E'Ümlaut & ''Sons'' \\t 漢字' WHERE merchant_id = ${one('merchant_id')}`,
    'a merchant changes its category': `UPDATE raw_merchants SET merchant_category = 'Travel' WHERE merchant_id = ${one('merchant_id')}`,
    'a merchant goes, its payments stay': `DELETE FROM raw_merchants WHERE merchant_id = (SELECT max(merchant_id::text)::uuid FROM raw_merchants)`,
    'an account moves to another country': `UPDATE raw_accounts SET country = ' norway ' WHERE account_id = ${one('account_id')}`,
    'an account goes, its payments stay': `DELETE FROM raw_accounts WHERE account_id = (SELECT max(account_id::text)::uuid FROM raw_accounts)`,
    'addresses turn out to be proxies': `UPDATE raw_ip_geo SET is_proxy_or_vpn = true WHERE ip IN (SELECT ip FROM raw_transactions GROUP BY ip ORDER BY count(*) DESC, ip LIMIT 20)`,
    'an address is in another country': `UPDATE raw_ip_geo SET country = 'NG', city = 'Lagos' WHERE ip = ${one('ip')}`,
    'an address is not known any more, another only now': `
      DELETE FROM raw_ip_geo WHERE ip = ${one('ip')};
      UPDATE raw_transactions SET ip = '2001:db8::1' WHERE abs(hashtext(transaction_id::text)) % 211 = 0;
      INSERT INTO raw_ip_geo VALUES ('2001:db8::1', 'SG', 'Singapore', true)`,
    'payments move to another account, day and month': `
      UPDATE raw_transactions SET account_id = (SELECT min(account_id::text)::uuid FROM raw_accounts) WHERE abs(hashtext(transaction_id::text)) % 53 = 0;
      UPDATE raw_transactions SET timestamp = timestamp - interval '1 day 2 hours' WHERE abs(hashtext(transaction_id::text)) % 59 = 0;
      UPDATE raw_transactions SET timestamp = timestamp - interval '45 days' WHERE abs(hashtext(transaction_id::text)) % 61 = 0`,
    'the largest payment of an account is taken back': `
      DELETE FROM raw_transactions WHERE transaction_id IN (SELECT DISTINCT ON (account_id) transaction_id FROM raw_transactions ORDER BY account_id, amount DESC)`,
    'the last payment of a customer at a merchant goes': `
      DELETE FROM raw_transactions WHERE (merchant_id, account_id, timestamp::date) IN (
        SELECT merchant_id, account_id, timestamp::date FROM raw_transactions GROUP BY 1, 2, 3 HAVING count(*) = 1 ORDER BY 1, 2, 3 LIMIT 100)`,
    'a primary key changes': `UPDATE raw_transactions SET transaction_id = gen_random_uuid() WHERE abs(hashtext(transaction_id::text)) % 101 = 0`,
    'amounts with all their digits, zero and below': `
      UPDATE raw_transactions SET amount = 9999999999.99 WHERE transaction_id = ${one('transaction_id')};
      UPDATE raw_transactions SET amount = -amount WHERE abs(hashtext(transaction_id::text)) % 103 = 0;
      UPDATE raw_transactions SET amount = 0 WHERE abs(hashtext(transaction_id::text)) % 107 = 0`,
    'a payment before the first rate': `
      INSERT INTO raw_transactions SELECT gen_random_uuid(), account_id, '2001-02-28 23:59:59.999999', 10, 'USD', merchant_id, 'success', ip, device_id
      FROM raw_transactions ORDER BY transaction_id LIMIT 1`,
    'a payment in the future': `
      INSERT INTO raw_transactions SELECT gen_random_uuid(), account_id, (now() AT TIME ZONE 'utc') + interval '40 days', 10, 'EUR', merchant_id, 'success', ip, device_id
      FROM raw_transactions ORDER BY transaction_id LIMIT 1`,
  };
  for (const [index, [step, statements]] of Object.entries(steps).entries())
    await t.test(step, async () => {
      await sql(`${statements};`);
      if (compared_after(index, steps)) await assert_finance_equal(world, step);
    });

  await t.test('an unknown currency is NULL and a failing audit, not 1.0 and not 100.00; its rate mends it', async () => {
    await sql(`DELETE FROM raw_transactions WHERE timestamp < '2010-01-01'`);
    await sql(`UPDATE raw_transactions SET currency = 'XDR' WHERE abs(hashtext(transaction_id::text)) % 71 = 0`);
    await assert_finance_equal(world, 'unknown currency');
    const unknown = Number(await sql(`SELECT count(*) FROM raw_transactions WHERE currency = 'XDR'`));
    assert.ok(unknown > 10);
    assert.equal(await number('SELECT countIf(amount_eur IS NULL) FROM analytics.transactions'), unknown);
    assert.equal(await number('SELECT sum(transactions_without_rate) FROM reporting.daily_kpis'), unknown);
    const proof = await project.run('verify');
    assert.equal(proof.code, 4, 'the audit fails');
    assert.match(proof.stdout + proof.stderr, /not_null\(amount_eur\)/);
    await sql(`INSERT INTO raw_fx_rates VALUES ('2009-01-01', 'XDR', 1.212121)`);
    await assert_finance_equal(world, 'its rate arrives');
    assert.equal(await number('SELECT countIf(amount_eur IS NULL) FROM analytics.transactions'), 0);
  });

  await t.test('uniques and averages are not added up', async () => {
    const day = (await sql(`SELECT max(timestamp::date) FROM raw_transactions WHERE timestamp < now() AT TIME ZONE 'utc'`)).trim();
    const customers = await number(`SELECT sum(unique_customers) FROM reporting.merchant_metrics WHERE date = '${day}'`);
    const accounts = await number(`SELECT active_accounts FROM reporting.daily_kpis WHERE date = '${day}'`);
    assert.ok(accounts < customers, 'one person buys at several merchants');
  });

  await t.test('money is exact: no float on the way, types as documented', async () => {
    const { types } = await project.table('SELECT amount_eur FROM analytics.transactions LIMIT 1');
    assert.deepEqual(types, ['Nullable(Decimal(38, 8))']);
    assert.deepEqual((await project.table('SELECT total_volume_eur FROM reporting.daily_kpis LIMIT 1')).types, ['Nullable(Decimal(38, 8))']);
  });

  await t.test('a taken-over account shows by itself, with its reasons', async () => {
    const account = await sql(`SELECT account_id FROM raw_accounts ORDER BY account_id LIMIT 1`);
    await sql(`DELETE FROM raw_transactions WHERE account_id = '${account}'`);
    await project.caught_up(postgres);
    await sql(`
      INSERT INTO raw_ip_geo SELECT '203.0.113.' || n, code, 'Somewhere', true FROM unnest(ARRAY['NG', 'SG', 'BR', 'IN', 'JP']) WITH ORDINALITY AS place (code, n);
      INSERT INTO raw_transactions SELECT gen_random_uuid(), '${account}', now() AT TIME ZONE 'utc' - n * interval '10 seconds', 1500 + n, 'EUR',
        (SELECT min(merchant_id::text)::uuid FROM raw_merchants), CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'success' END, '203.0.113.' || (1 + n % 5), 'stolen-' || n % 5
      FROM generate_series(1, 15) AS n`);
    await eventually('it is suspicious', async () => (await number(`SELECT count() FROM reporting.suspicious_accounts WHERE account_id = '${account}' AND risk_score = 100`)) === 1, { deadline_ms: 20_000 });
    const reasons = await project.clickhouse(`SELECT arrayJoin(reasons) FROM reporting.suspicious_accounts WHERE account_id = '${account}'`);
    for (const wanted of [/over 1000 EUR/, /from another country/, /countries/, /through a proxy/, /devices/, /failed/, /in an hour/]) assert.match(reasons, wanted);
    await assert_finance_equal(world, 'taken over');
  });

  await t.test('verify proves it', async () => {
    await sql(`DELETE FROM raw_transactions WHERE currency NOT IN (SELECT currency FROM raw_fx_rates) AND currency <> 'EUR'`);
    await sql(`DELETE FROM raw_transactions WHERE timestamp < '2020-01-01'`);
    await project.caught_up(postgres);
    const proof = await project.assert_verified();
    assert.ok(proof.models.some(({ model, rows }) => model === 'reporting.fraud_features' && rows > 100));
  });

  await t.test('a stop, changes meanwhile, and a new start', async () => {
    await project.down();
    await generate(world, '--rows', '1500', '--days', '2', '--updates', '0.3', '--deletes', '0.1');
    await sql(`UPDATE raw_merchants SET merchant_name = merchant_name || ' (moved)'; UPDATE raw_fx_rates SET rate_to_eur = rate_to_eur + 0.000001 WHERE currency = 'JPY'`);
    await project.up();
    await assert_finance_equal(world, 'after a stop');
    await project.down();
    await project.assert_nothing_left();
  });
});
