// A page that was opened by a signed link (/shared/<token>) shows one dashboard and asks for nothing else.
const token = /^\/shared\/([^/]+)/.exec(location.pathname)?.[1] ?? '';

export const shared = token !== '';
// Where a dashboard and what belongs to it is asked for.
export const dashboardAddress = (name: string): string => (shared ? `/api/shared/${token}` : `/api/dashboards/${encodeURIComponent(name)}`);
