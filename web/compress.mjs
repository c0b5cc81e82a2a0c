// Puts a gzip twin beside every file of the built page that gets smaller by it; the server sends whichever the browser takes.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const [directory] = process.argv.slice(2);
for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || entry.name.endsWith('.gz')) continue;
  const file = join(entry.parentPath ?? entry.path, entry.name);
  const bytes = readFileSync(file);
  const smaller = gzipSync(bytes, { level: 9 });
  if (smaller.length < bytes.length) writeFileSync(`${file}.gz`, smaller);
}
