// Roles of readers in ClickHouse (roles/*.yaml): made, changed and taken away by apply, while the project runs; they see what
// they are to see, nothing else, and write nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { caught_up, event_project, post } from '../harness/events.mjs';

test('roles of readers are made, changed and taken away by apply', { timeout: 120_000 }, async (t) => {
  const project = await event_project(t, 'roles', { environment: { ANALYST_PASSWORD: 'analyst-password-1' } });
  project.write('models/analytics/paid.sql', "-- kind: incremental\n-- key: message_id\nSELECT message_id, user_id, event, JSONExtractInt(properties, 'amount') AS amount FROM bronze.app_events WHERE event = 'Paid'\n");
  project.write('models/analytics/people.sql', '-- kind: view\nSELECT user_id, sum(amount) AS spent FROM analytics.paid GROUP BY user_id\n');
  await project.up();
  for (const [user, amount] of [['ann', 5], ['ann', 6], ['bob', 7]])
    assert.equal((await post(project, '/v1/track', { userId: user, event: 'Paid', properties: { amount } })).status, 200);
  await caught_up(project);

  // As the account that the role made; the password is not a file of ours.
  const ask = async (query, account = 'analyst', password = 'analyst-password-1') => {
    const answer = await fetch(`http://127.0.0.1:${project.clickhouse_port}/`, { method: 'POST', body: query, headers: { 'X-ClickHouse-User': account, 'X-ClickHouse-Key': password } });
    return (await answer.text()).trim();
  };
  const role = (text) => project.write('roles/analyst.yaml', `role: analyst\npassword: \${env:ANALYST_PASSWORD}\n${text}`);
  const plan = async () => {
    const { code, stdout, stderr } = await project.run('plan');
    return { code, text: stdout + stderr };
  };
  const apply = async () => {
    const { code, stdout, stderr } = await project.run('apply');
    assert.equal(code, 0, stderr);
    return stdout;
  };

  assert.deepEqual((await plan()).code, 0);
  role('models: ["analytics.*"]\ncolumns: { analytics.paid: [user_id, amount] }\nrows: { analytics.paid: "user_id = \'ann\' -- only hers" }\n');
  assert.match((await plan()).text, /role analyst: made, 2 views/);
  assert.equal((await plan()).code, 3);
  assert.match(await ask('SELECT 1'), /AUTHENTICATION_FAILED|Authentication failed/, 'a plan makes nothing');
  assert.match(await apply(), /role analyst: made, 2 views/);
  assert.equal((await plan()).code, 0, 'nothing is left to be done');

  assert.equal(await ask('SELECT user_id, amount FROM analyst.analytics__paid ORDER BY amount'), 'ann\t5\nann\t6');
  assert.equal(await ask('SELECT user_id, spent FROM analyst.analytics__people ORDER BY user_id'), 'ann\t11\nbob\t7');
  for (const query of ['SELECT message_id FROM analyst.analytics__paid', 'SELECT count() FROM analytics.paid', 'SELECT count() FROM bronze.app_events', 'SELECT count() FROM bronze.app_events__current', 'SELECT count() FROM tidemark.models',
    "INSERT INTO analyst.analytics__paid VALUES ('eve', 1)", 'DROP VIEW analyst.analytics__paid', 'CREATE TABLE analyst.mine (a Int8) ENGINE = Memory', 'CREATE VIEW analyst.mine DEFINER = tidemark SQL SECURITY DEFINER AS SELECT 1',
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "SELECT * FROM file('x', 'LineAsString')", 'GRANT SELECT ON *.* TO analyst', 'SYSTEM DROP MARK CACHE', 'SYSTEM STOP MERGES analytics.paid'])
    assert.match(await ask(query), /ACCESS_DENIED|Not enough privileges|UNKNOWN_IDENTIFIER|Cannot execute query in readonly mode/, query);
  // What changes in the models is seen at once, also by the role.
  assert.equal((await post(project, '/v1/track', { userId: 'ann', event: 'Paid', properties: { amount: 30 } })).status, 200);
  await caught_up(project);
  assert.equal(await ask('SELECT sum(amount) FROM analyst.analytics__paid'), '41');

  role('models: [analytics.people]\n');
  assert.match(await apply(), /role analyst: changed, 1 view/);
  assert.match(await ask('SELECT count() FROM analyst.analytics__paid'), /UNKNOWN_TABLE|ACCESS_DENIED|Not enough privileges/);
  assert.equal(await ask('SELECT count() FROM analyst.analytics__people'), '2');

  for (const [text, message] of [['models: [analytics.nothing]\n', /the project has no model `analytics.nothing`/], ['models: [analytics.people]\ncolumns: { analytics.people: [name] }\n', /has no column `name`.*It has user_id, spent/s],
    ['models: [bronze.app_events]\n', /is not for readers/]]) {
    role(text);
    const { code, text: said } = await plan();
    assert.equal(code, 78, said);
    assert.match(said, message);
  }
  // With another password, while nothing runs; the role is there when the program starts again, and goes with its file.
  role('models: [analytics.people]\n');
  await project.down();
  project.environment.ANALYST_PASSWORD = 'analyst-password-2';
  assert.match(await apply(), /role analyst: changed, 1 view/);
  await project.up();
  assert.equal(await ask('SELECT count() FROM analyst.analytics__people', 'analyst', 'analyst-password-2'), '2');
  assert.match(await ask('SELECT 1'), /AUTHENTICATION_FAILED|Authentication failed/);
  fs.rmSync(`${project.directory}/roles/analyst.yaml`);
  assert.match(await apply(), /role analyst: taken away/);
  assert.match(await ask('SELECT 1', 'analyst', 'analyst-password-2'), /AUTHENTICATION_FAILED|Authentication failed/);
  assert.equal((await project.clickhouse("SELECT count() FROM system.databases WHERE name = 'analyst'", { account: 'admin' })).trim(), '0');
});
