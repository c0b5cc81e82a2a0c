// Where the tab is: path and query of its address, followed by links, the back button and what a page keeps in its
// query (a range, an open row), so that every view can be sent to somebody as a link.

// Paths that are the server's, not pages.
const served = /^\/(api|assets|metrics|healthz|readyz|openapi\.json)(\/|$)/;

class Route {
  path = $state(location.pathname);
  search = $state(location.search);

  constructor() {
    // Links of earlier versions.
    const old = /^#\/d\/([^/?]+)/.exec(location.hash)?.[1];
    if (old) this.go(`/dashboards/${old}`, true);
    addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => this.#follow(event));
  }

  get parts(): string[] {
    return this.path.split('/').filter(Boolean).map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
  }
  query(name: string): string | null {
    return new URLSearchParams(this.search).get(name);
  }
  // Keeps the rest of the query; null takes a name out. Not a step of the back button.
  set(changes: Record<string, string | null>): void {
    const query = new URLSearchParams(this.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === '') query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    this.go(this.path + (text ? `?${text}` : ''), true);
  }
  // Several values of one name; each choice is a step of the back button.
  setAll(name: string, values: string[]): void {
    const query = new URLSearchParams(this.search);
    query.delete(name);
    for (const value of values) query.append(name, value);
    const text = query.toString();
    history.pushState(null, '', this.path + (text ? `?${text}` : ''));
    this.#read();
  }
  go(address: string, replace = false): void {
    if (replace) history.replaceState(null, '', address);
    else history.pushState(null, '', address);
    this.#read();
    if (replace) return;
    scrollTo(0, 0);
    // Who uses a keyboard or a screen reader begins at the new page's top.
    document.getElementById('content')?.focus({ preventScroll: true });
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }
  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest('a');
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin || served.test(link.pathname)) return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    this.go(link.pathname + link.search);
  }
}

export const route = new Route();
