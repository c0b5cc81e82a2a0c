// The pages there are, in the order of the navigation. Each is loaded when it is first shown. The server answers the
// paths of all of them with the same file (src/serve/page.cc names them, too).
import type { Component } from 'svelte';
import type { Sections } from '../lib/types';

export interface Page {
  name: string; // the first part of its path
  title: string;
  icon: string; // path of an outline, 20 x 20
  load: () => Promise<{ default: Component }>;
  // Whether this project has any of it.
  shown: (sections: Sections) => boolean;
}

export const pages: Page[] = [
  {
    name: 'overview',
    title: 'Overview',
    icon: 'M2.5 10h3.5l2.5-6 3.5 12 2.5-6h3',
    load: () => import('../pages/Overview.svelte'),
    shown: () => true,
  },
  {
    name: 'dashboards',
    title: 'Dashboards',
    icon: 'M3 3h6v8H3zM11 3h6v4h-6zM11 9h6v8h-6zM3 13h6v4H3z',
    load: () => import('../pages/Dashboards.svelte'),
    shown: () => true,
  },
  {
    name: 'models',
    title: 'Models',
    icon: 'M3 3.5h5v4H3zM12 8h5v4h-5zM3 12.5h5v4H3zM8 5.5h2v9H8M10 10h2',
    load: () => import('../pages/Models.svelte'),
    shown: (sections) => sections.models > 0,
  },
  {
    name: 'segments',
    title: 'Segments',
    icon: 'M10 3a7 7 0 1 0 7 7h-7zM12.5 2.5a6 6 0 0 1 5 5h-5z',
    load: () => import('../pages/Segments.svelte'),
    shown: () => true,
  },
  {
    name: 'people',
    title: 'People',
    icon: 'M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 17c0-3 2.5-5 5.5-5s5.5 2 5.5 5M13 4a3 3 0 0 1 0 5.3M15 12.3c1.8.7 3 2.4 3 4.7',
    load: () => import('../pages/People.svelte'),
    shown: (sections) => sections.profiles.length > 0,
  },
  {
    name: 'experiments',
    title: 'Experiments',
    icon: 'M8 3h4M9 3v5l-5 7.5A1 1 0 0 0 4.9 17h10.2a1 1 0 0 0 .9-1.5L11 8V3M6.5 12.5h7',
    load: () => import('../pages/Experiments.svelte'),
    shown: (sections) => sections.experiments > 0,
  },
  {
    name: 'alerts',
    title: 'Alerts',
    icon: 'M10 2.5a5 5 0 0 1 5 5c0 4 1.5 5 2 6H3c.5-1 2-2 2-6a5 5 0 0 1 5-5zM8 16.5a2 2 0 0 0 4 0',
    load: () => import('../pages/Alerts.svelte'),
    shown: (sections) => sections.alerts > 0,
  },
  {
    name: 'sql',
    title: 'SQL',
    icon: 'M3 4.5h14v11H3zM6 8l2.5 2L6 12M10.5 12.5H14',
    load: () => import('../pages/Sql.svelte'),
    shown: () => true,
  },
  {
    name: 'plans',
    title: 'Plans',
    icon: 'M4 3h12v14H4zM7 7h6M7 10h6M7 13h3',
    load: () => import('../pages/Plans.svelte'),
    shown: (sections) => sections.models > 0,
  },
  {
    name: 'quarantine',
    title: 'Quarantine',
    icon: 'M10 3l7.5 13.5h-15zM10 8v4M10 14.2v.3',
    load: () => import('../pages/Quarantine.svelte'),
    shown: () => true,
  },
  {
    name: 'settings',
    title: 'Settings',
    icon: 'M3 6h8M15 6h2M3 14h2M9 14h8M13 3.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4zM7 11.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4z',
    load: () => import('../pages/Settings.svelte'),
    shown: () => true,
  },
  {
    name: 'docs',
    title: 'API',
    icon: 'M7 5l-4 5 4 5M13 5l4 5-4 5M11.2 4l-2.4 12',
    load: () => import('../pages/Docs.svelte'),
    shown: () => true,
  },
];

const byName = new Map(pages.map((page) => [page.name, page]));
// The root is the first dashboard. Null: no such page.
export const pageOf = (path: string): Page | null => {
  const name = path.split('/')[1];
  return byName.get(!name || name === 'shared' ? 'dashboards' : name) ?? null;
};
