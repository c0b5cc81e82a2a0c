// A reporter of node --test that writes failed tests only, each with what is wrong: scripts/test prints them last, so
// that the end of a long log says why it failed.
const text_max = 4000;

export default async function* failures(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:fail' || data.details?.error?.failureType === 'subtestsFailed') continue;
    const error = data.details?.error?.cause ?? data.details?.error;
    const text = String(error?.stack ?? error);
    yield `${data.file ?? ''}: ${data.name}\n${text.length > text_max ? `${text.slice(0, text_max / 2)}\n[...]\n${text.slice(-text_max / 2)}` : text}\n\n`;
  }
}
