// Asking the server. What it refuses is a problem document (RFC 9457) and comes as Refused.

export interface Problem {
  title: string;
  status: number; // 0: no answer
  detail: string;
  remedy?: string;
  errors?: { where: string; message: string; remedy: string }[];
}

export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }
}

async function ask(address: string, request: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, request);
  } catch (error) {
    if (request.signal?.aborted) throw error;
    throw new Refused({ title: 'no answer', status: 0, detail: 'the server does not answer' });
  }
  if (response.ok) return response;
  const fallback: Problem = { title: 'refused', status: response.status, detail: `the server answered ${response.status}` };
  throw new Refused({ ...fallback, ...((await response.json().catch(() => ({}))) as Partial<Problem>) });
}

export async function get<T>(address: string, signal?: AbortSignal): Promise<T> {
  const given = token();
  const request: RequestInit = { ...(given ? { headers: { Authorization: `Bearer ${given}` } } : {}), ...(signal ? { signal } : {}) };
  return (await (await ask(address, request)).json()) as T;
}

// The token of whoever may change something, for as long as the tab lives.
const key = 'tidemark-token';
export function token(): string {
  try {
    return sessionStorage.getItem(key) ?? '';
  } catch {
    return '';
  }
}
export function keepToken(text: string): void {
  try {
    if (text) sessionStorage.setItem(key, text);
    else sessionStorage.removeItem(key);
  } catch {
    // asked for again then
  }
}

export async function send<T>(method: string, address: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const given = token();
  const request: RequestInit = {
    method,
    headers: { ...(given ? { Authorization: `Bearer ${given}` } : {}), ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  };
  return (await (await ask(address, request)).json()) as T;
}
