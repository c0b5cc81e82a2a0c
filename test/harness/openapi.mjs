// Whether a document is OpenAPI 3.1 as far as a program that reads it would stumble: the rules of the specification that a
// hand-written description breaks first. Returns what is wrong.
const methods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];
const types = ['string', 'number', 'integer', 'boolean', 'array', 'object', 'null'];

export function openapi_mistakes(document) {
  const wrong = [];
  const say = (where, what) => wrong.push(`${where}: ${what}`);
  const is_object = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!/^3\.1\.\d+$/.test(document.openapi)) say('openapi', `version ${document.openapi}`);
  for (const key of ['title', 'version']) if (typeof document.info?.[key] !== 'string') say('info', `no ${key}`);
  const resolve = (value, where) => {
    if (!is_object(value) || value.$ref === undefined) return value;
    const found = value.$ref.startsWith('#/') && value.$ref.slice(2).split('/').reduce((at, part) => at?.[part.replaceAll('~1', '/').replaceAll('~0', '~')], document);
    if (!found) say(where, `${value.$ref} is nowhere`);
    return found;
  };
  const schema = (value, where) => {
    if (typeof value === 'boolean') return;
    if (!is_object(value)) return say(where, 'no schema');
    if (value.type !== undefined && ![value.type].flat().every((type) => types.includes(type))) say(where, `type ${value.type}`);
    if (value.enum && !(Array.isArray(value.enum) && value.enum.length > 0)) say(where, 'an enum without values');
    for (const bound of ['minimum', 'maximum']) if (value[bound] !== undefined && typeof value[bound] !== 'number') say(where, `${bound} is no number`);
    for (const [name, property] of Object.entries(value.properties ?? {})) schema(property, `${where}.${name}`);
    if (value.items !== undefined) schema(value.items, `${where}[]`);
  };
  const content = (value, where) => {
    for (const [type, media] of Object.entries(value ?? {})) {
      if (!/^[\w.+-]+\/[\w.+*-]+$/.test(type)) say(where, `${type} is no media type`);
      if (media.schema !== undefined) schema(media.schema, `${where} ${type}`);
    }
  };
  const parameters = (list, where) => {
    const named = new Set();
    for (const given of list ?? []) {
      const parameter = resolve(given, where);
      if (!parameter) continue;
      const name = `${parameter.in} ${parameter.name}`;
      if (!['query', 'header', 'path', 'cookie'].includes(parameter.in)) say(where, `parameter ${parameter.name} is in ${parameter.in}`);
      if (named.has(name)) say(where, `${name} twice`);
      named.add(name);
      if (parameter.in === 'path' && parameter.required !== true) say(where, `${name} is not required`);
      if (!parameter.schema && !parameter.content) say(where, `${name} has no schema`);
      else if (parameter.schema) schema(parameter.schema, `${where} ${name}`);
    }
    return named;
  };
  const identifiers = new Map();
  for (const [path, item] of Object.entries(document.paths ?? {})) {
    if (!path.startsWith('/')) say(path, 'does not begin with a slash');
    const in_path = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
    const shared = parameters(item.parameters, path);
    for (const [key, operation] of Object.entries(item)) {
      if (['parameters', 'summary', 'description', 'servers'].includes(key)) continue;
      const where = `${key.toUpperCase()} ${path}`;
      if (!methods.includes(key)) {
        say(where, 'no method');
        continue;
      }
      if (identifiers.has(operation.operationId)) say(where, `operationId ${operation.operationId} is that of ${identifiers.get(operation.operationId)}`);
      identifiers.set(operation.operationId, where);
      if (!operation.operationId || !operation.summary) say(where, 'no operationId or summary');
      const own = parameters(operation.parameters, where);
      const declared = [...shared, ...own].filter((name) => name.startsWith('path ')).map((name) => name.slice(5));
      for (const name of in_path) if (!declared.includes(name)) say(where, `{${name}} is not declared`);
      for (const name of declared) if (!in_path.includes(name)) say(where, `${name} is not in the path`);
      if (!is_object(operation.responses) || Object.keys(operation.responses).length === 0) say(where, 'no responses');
      for (const [status, given] of Object.entries(operation.responses ?? {})) {
        if (!/^([1-5](\d\d|XX)|default)$/.test(status)) say(where, `status ${status}`);
        const response = resolve(given, where);
        if (typeof response?.description !== 'string') say(where, `${status} has no description`);
        content(response?.content, `${where} ${status}`);
      }
      for (const one of operation.security ?? [])
        for (const name of Object.keys(one)) if (!document.components?.securitySchemes?.[name]) say(where, `security ${name} is nowhere`);
    }
  }
  return wrong;
}
