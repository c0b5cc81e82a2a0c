// As much of GraphQL as a test's server needs to answer only what was asked for, and to refuse what does not exist: operations, variables,
// arguments, inline fragments. Objects have a __typename; a field that is a function takes the arguments.
export class GraphqlError extends Error {
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

export function parse(text) {
  const tokens = text.match(/\.\.\.|"(?:[^"\\]|\\.)*"|[A-Za-z_]\w*|-?\d+|[{}():!$[\]]/g);
  let at = 0;
  const next = () => tokens[at++];
  const expect = (token) => {
    if (next() !== token) throw new GraphqlError(`Parse error at ${tokens.slice(at - 2, at + 2).join(' ')}`);
  };
  const value = () => {
    const token = next();
    if (token === '$') return { variable: next() };
    if (token.startsWith('"')) return JSON.parse(token);
    return /^-?\d+$/.test(token) ? Number(token) : token;
  };
  const selections = () => {
    expect('{');
    const list = [];
    while (tokens[at] !== '}') {
      if (tokens[at] === '...') {
        at += 2;
        list.push({ on: next(), fields: selections() });
        continue;
      }
      const field = { name: next(), args: {} };
      if (tokens[at] === '(') {
        for (at += 1; tokens[at] !== ')'; ) {
          const name = next();
          expect(':');
          field.args[name] = value();
        }
        at += 1;
      }
      if (tokens[at] === '{') field.fields = selections();
      list.push(field);
    }
    at += 1;
    return list;
  };
  const operation = tokens[0] === '{' ? 'query' : next();
  while (tokens[at] !== '{') at += 1;
  return { operation, fields: selections() };
}

const filled = (args, variables) => Object.fromEntries(Object.entries(args).map(([name, one]) => [name, one?.variable ? (variables[one.variable] ?? null) : one]));

export function project(value, fields, variables) {
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) return value.map((one) => project(one, fields, variables));
  if (!fields) {
    if (typeof value === 'object') throw new GraphqlError(`Field must have selections (type '${value.__typename}')`);
    return value;
  }
  const out = {};
  for (const field of fields) {
    if (field.on) {
      if (field.on === value.__typename) Object.assign(out, project(value, field.fields, variables));
      continue;
    }
    const found = value[field.name];
    if (found === undefined) throw new GraphqlError(`Field '${field.name}' doesn't exist on type '${value.__typename}'`, 'undefinedField');
    const result = typeof found === 'function' ? found(filled(field.args, variables)) : found;
    out[field.name] = project(result, field.fields, variables);
  }
  return out;
}

// A list with pages, over elements that do not move.
export const pages_of = (elements) => ({ first, after }) => {
  if (!(first > 0)) throw new GraphqlError("You must provide one of first or last", 'missingFirst');
  const begin = after ? Number(Buffer.from(after, 'base64').toString()) : 0, end = Math.min(begin + first, elements.length);
  const nodes = elements.slice(begin, end);
  return { __typename: 'Connection', nodes, edges: nodes.map((node) => ({ __typename: 'Edge', node })), pageInfo: { __typename: 'PageInfo', hasNextPage: end < elements.length, endCursor: Buffer.from(String(end)).toString('base64') } };
};
