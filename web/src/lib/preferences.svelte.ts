// What a viewer chose: theme, time zone and how wide the navigation is, remembered where storage is allowed.

type Theme = 'system' | 'light' | 'dark';

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // not remembered then
  }
}

const system = matchMedia('(prefers-color-scheme: dark)');
const stored = read('tidemark-theme');

class Preferences {
  theme = $state<Theme>(stored === 'light' || stored === 'dark' ? stored : 'system');
  systemDark = $state(system.matches);
  utc = $state(read('tidemark-zone') === 'utc');
  narrow = $state(read('tidemark-navigation') === 'narrow');

  constructor() {
    system.addEventListener('change', (event) => (this.systemDark = event.matches));
  }
  get dark(): boolean {
    return this.theme === 'system' ? this.systemDark : this.theme === 'dark';
  }
  get zone(): string | undefined {
    return this.utc ? 'UTC' : undefined;
  }
  toggleTheme(): void {
    const next = this.dark ? 'light' : 'dark';
    // Back to what the system says: nothing to remember.
    this.theme = (next === 'dark') === this.systemDark ? 'system' : next;
    if (this.theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    write('tidemark-theme', this.theme === 'system' ? null : this.theme);
  }
  toggleZone(): void {
    this.utc = !this.utc;
    write('tidemark-zone', this.utc ? 'utc' : null);
  }
  toggleNarrow(): void {
    this.narrow = !this.narrow;
    write('tidemark-navigation', this.narrow ? 'narrow' : null);
  }
}

export const preferences = new Preferences();
