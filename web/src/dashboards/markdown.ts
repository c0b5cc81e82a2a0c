// The part of Markdown that a text tile has, as a tree that Svelte writes: nothing of the text ever becomes HTML.
// Blocks: headings, paragraphs, lists ("- ", "1. "), code between ``` lines. Inside: **strong**, *emphasis*, `code`,
// [words](address) with an address of this page or https.

export type Span = { kind: 'text' | 'strong' | 'emphasis' | 'code'; text: string } | { kind: 'link'; text: string; href: string };
export type Block = { kind: 'heading'; level: number; spans: Span[] } | { kind: 'paragraph'; spans: Span[] } | { kind: 'list'; ordered: boolean; items: Span[][] } | { kind: 'code'; text: string };

const marks = /\*\*(.+?)\*\*|\*(.+?)\*|`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)/g;
export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  let end = 0;
  for (const match of text.matchAll(marks)) {
    if (match.index > end) spans.push({ kind: 'text', text: text.slice(end, match.index) });
    const [whole, strong, emphasis, code, words, href] = match;
    if (strong !== undefined) spans.push({ kind: 'strong', text: strong });
    else if (emphasis !== undefined) spans.push({ kind: 'emphasis', text: emphasis });
    else if (code !== undefined) spans.push({ kind: 'code', text: code });
    else if (/^(https?:\/\/|\/(?!\/)|\?)/.test(href!)) spans.push({ kind: 'link', text: words!, href: href! });
    else spans.push({ kind: 'text', text: whole });
    end = match.index + whole.length;
  }
  if (end < text.length) spans.push({ kind: 'text', text: text.slice(end) });
  return spans;
}

export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    if (!line.trim()) {
      at++;
      continue;
    }
    if (line.startsWith('```')) {
      const end = lines.findIndex((one, index) => index > at && one.startsWith('```'));
      const stop = end < 0 ? lines.length : end;
      blocks.push({ kind: 'code', text: lines.slice(at + 1, stop).join('\n') });
      at = stop + 1;
      continue;
    }
    const heading = /^(#{1,3}) (.*)$/.exec(line);
    if (heading) {
      blocks.push({ kind: 'heading', level: heading[1]!.length, spans: spansOf(heading[2]!) });
      at++;
      continue;
    }
    const item = /^\s*(?:[-*]|(\d+)\.) +(.*)$/;
    if (item.test(line)) {
      const items: Span[][] = [];
      const ordered = item.exec(line)![1] !== undefined;
      for (; at < lines.length && item.test(lines[at]!); at++) items.push(spansOf(item.exec(lines[at]!)![2]!));
      blocks.push({ kind: 'list', ordered, items });
      continue;
    }
    const words: string[] = [];
    for (; at < lines.length && lines[at]!.trim() && !item.test(lines[at]!) && !/^(#{1,3} |```)/.test(lines[at]!); at++) words.push(lines[at]!.trim());
    blocks.push({ kind: 'paragraph', spans: spansOf(words.join(' ')) });
  }
  return blocks;
}
