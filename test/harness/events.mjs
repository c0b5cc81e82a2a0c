// A project that is sent to, without any other source, and what its table of events must hold.
import assert from 'node:assert/strict';
import { eventually, make_directory, processes_in, remove_directory } from './process.mjs';
import { Project } from './project.mjs';

export const write_key = 'test-write-key-0123456789';

// `source`: lines of sources/app.yaml below `events:`.
export async function event_project(t, name, { source = '', environment = {} } = {}) {
  const directory = make_directory(name);
  let project;
  t.after(async () => {
    const [ending] = await Promise.allSettled([project?.up_child?.end({ signal: 'SIGKILL' })]);
    await eventually('the processes of the test are gone', () => processes_in(directory).length === 0, { deadline_ms: 30_000 });
    remove_directory(directory);
    if (ending.status === 'rejected') throw ending.reason;
  });
  project = await Project.create(directory, { pack: null, environment: { APP_WRITE_KEY: write_key, ...environment } });
  project.write('sources/app.yaml', `source: app\nevents:\n  write_keys: ["\${env:APP_WRITE_KEY}", { name: jitsu, key: "jitsu-id:jitsu-secret" }]\n${source}`);
  project.url = `http://127.0.0.1:${project.http_port}`;
  return project;
}

export const basic = (key) => `Basic ${Buffer.from(`${key}:`).toString('base64')}`;

export async function post(project, path, body, headers = {}) {
  const answer = await project.fetch(path, {
    method: 'POST',
    headers: { Authorization: basic(write_key), ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  let data = null;
  try {
    data = JSON.parse(text);
  } catch {
    // not every answer has a body
  }
  return { status: answer.status, headers: answer.headers, text, data };
}

export async function intake(project) {
  return (await project.status()).sources.find((source) => source.source === 'app').intake;
}

// Everything that is accepted is fenced.
export async function caught_up(project, { deadline_ms = 60_000 } = {}) {
  await eventually(
    'everything accepted is in the warehouse',
    async (seen) => {
      if (!project.up_child.running) throw Object.assign(new Error(`tidemark up ended\n${project.log_tail()}`), { final: true });
      const source = (await project.status()).sources.find((one) => one.source === 'app');
      seen(JSON.stringify(source));
      return source.state === 'streaming' && source.lag_ms === 0 && source.ladder.queryable === source.ladder.server;
    },
    { deadline_ms },
  ).catch((error) => {
    throw new Error(`${error.message}\n${project.log_tail()}`);
  });
}

// Each of these ids is in the table once, and nothing else is.
export async function assert_exactly_once(project, ids) {
  const wanted = new Set(ids);
  const rows = (await project.clickhouse('SELECT message_id, count() FROM bronze.app_events GROUP BY message_id')).trimEnd().split('\n').filter(Boolean);
  const seen = new Map(rows.map((row) => row.split('\t')));
  const missing = [...wanted].filter((id) => !seen.has(id));
  const twice = [...seen].filter(([, count]) => count !== '1');
  assert.deepEqual({ missing: missing.slice(0, 5), twice: twice.slice(0, 5) }, { missing: [], twice: [] }, `${missing.length} of ${wanted.size} events are missing, ${twice.length} are there twice`);
  return seen;
}
