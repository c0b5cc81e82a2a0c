// A read-out as the API gives it (docs/EXPERIMENTS.md), and how its numbers are written.
import { compact, formatValue, milliseconds, none } from '../lib/format';

export interface Interval {
  lower: number | null;
  upper: number | null;
}
export interface Test extends Interval {
  p_value: number | null;
}
// An arm against the control; of levels and of past times only this much.
export interface ShortComparison extends Test {
  variant: string;
  status: 'ok' | 'uninformative';
  reason?: string;
  warning?: string;
  estimate: number | null;
  standard_error: number | null;
  chance_to_win: number | null;
}
export interface Comparison extends ShortComparison {
  adjusted_p_value: number | null;
  adjusted: Interval;
  fixed: Test;
  sequential: Test;
  bayesian: Interval & { chance_to_win: number | null; expected_loss: number | null };
  power: number | null;
  days_left: number | null;
  guardrail?: 'harmless' | 'harmful' | 'open';
}
export interface Metric {
  metric: string;
  description: string;
  role: 'goal' | 'guardrail';
  kind: 'proportion' | 'count' | 'mean' | 'ratio' | 'retention' | 'funnel' | 'quantile' | 'time_to_event';
  direction: 'increase' | 'decrease';
  difference: 'relative' | 'absolute';
  effect_that_matters?: number;
  margin?: number;
  cap?: number;
  arms: { variant: string; units: number; value: number | null; sums: Record<string, unknown> }[];
  comparisons: Comparison[];
}
export interface Exposures {
  units: number;
  arms: { variant: string; units: number }[];
  units_a_day: number | null;
  first: string | null;
  last: string | null;
  unknown_variant: number;
  multiple_exposure: { policy: 'exclude' | 'first_seen'; units: number; share: number; alarm: boolean };
  sample_ratio: { p_value: number | null; always_valid_p_value: number | null; alarm: boolean };
}
export interface Definition {
  experiment: string;
  description: string;
  analysis: 'fixed' | 'sequential' | 'hybrid' | 'bayesian';
  correction: 'none' | 'holm' | 'benjamini_hochberg';
  alpha: number;
  planned_units: number;
  start: string | null;
  end: string | null;
  variants: { variant: string; weight: number; control: boolean }[];
  dimension_names?: string[];
  deployed: boolean;
  exposures: Exposures;
}
export type Hint = 'repair' | 'stop' | 'weigh' | 'ship' | 'no_difference' | 'wait';
export interface Point {
  at: string;
  arms: { variant: string; units: number }[];
  metrics: { metric: string; values: (number | null)[]; comparisons: ShortComparison[] }[];
}
export interface ReadOut extends Definition {
  as_of: string;
  seconds: number;
  metrics: Metric[];
  decisions: { variant: string; hint: Hint; reasons: string[] }[];
  dimensions: {
    dimension: string;
    levels: {
      level: string;
      arms: { variant: string; units: number }[];
      metrics: { metric: string; values: (number | null)[]; comparisons: ShortComparison[] }[];
    }[];
  }[];
  series?: Point[];
}

// `decides`: corrected, of the experiment's own analysis; what hints are made of.
export const intervalKinds = ['decides', 'fixed', 'sequential', 'bayesian'] as const;
export type IntervalKind = (typeof intervalKinds)[number];
export const intervalOf = (comparison: Comparison, kind: IntervalKind): Interval =>
  kind === 'decides' ? comparison.adjusted : comparison[kind];

export type Tone = 'good' | 'bad' | 'warn' | 'neutral';
const sentence = (name: string) => name.replaceAll('_', ' ');

export const analysisText = { fixed: 'fixed sample', sequential: 'sequential', hybrid: 'hybrid', bayesian: 'Bayesian' };
export const correctionText = { none: 'no correction', holm: 'Holm', benjamini_hochberg: 'Benjamini–Hochberg' };
export const hintText: Record<Hint, { title: string; tone: Tone }> = {
  repair: { title: 'Repair first', tone: 'bad' },
  stop: { title: 'Stop', tone: 'bad' },
  weigh: { title: 'Weigh up', tone: 'warn' },
  ship: { title: 'Ship', tone: 'good' },
  no_difference: { title: 'No difference', tone: 'neutral' },
  wait: { title: 'Wait', tone: 'neutral' },
};

// Where a row stands, in the words of `tidemark experiment report`.
export function stateOf(metric: Metric, comparison: Comparison): { text: string; tone: Tone } {
  if (comparison.status !== 'ok') return { text: sentence(comparison.reason ?? 'uninformative'), tone: 'neutral' };
  if (comparison.guardrail)
    return { text: comparison.guardrail, tone: ({ harmless: 'good', harmful: 'bad', open: 'neutral' } as const)[comparison.guardrail] };
  const up = (comparison.adjusted.lower ?? -1) > 0;
  const down = (comparison.adjusted.upper ?? 1) < 0;
  if (!up && !down) return { text: 'open', tone: 'neutral' };
  return up === (metric.direction === 'increase') ? { text: 'better', tone: 'good' } : { text: 'worse', tone: 'bad' };
}

export function valueText(metric: Pick<Metric, 'kind'>, value: number | null): string {
  if (value === null) return none;
  if (metric.kind === 'proportion' || metric.kind === 'retention' || metric.kind === 'funnel')
    return formatValue(value, { format: 'percent', decimals: 2 });
  if (metric.kind === 'time_to_event') return milliseconds(value * 1000);
  return Math.abs(value) >= 1e6 ? compact(value) : formatValue(value, { format: 'decimal', decimals: Math.abs(value) < 10 ? 3 : 2 });
}

const signed = (text: string, value: number) => (value > 0 ? `+${text}` : text.replace('-', '−'));
export function effectText(metric: Pick<Metric, 'difference'>, effect: number | null, decimals = 2): string {
  if (effect === null) return none;
  if (metric.difference === 'relative') return signed(formatValue(effect, { format: 'percent', decimals }), effect);
  return signed(formatValue(effect, { format: 'decimal', decimals: Math.abs(effect) < 1 ? 4 : 2 }), effect);
}
export const intervalText = (metric: Pick<Metric, 'difference'>, { lower, upper }: Interval): string =>
  `${lower === null ? '−∞' : effectText(metric, lower)} … ${upper === null ? '∞' : effectText(metric, upper)}`;
export const probabilityText = (value: number | null): string =>
  value === null ? none : value < 0.001 ? '< 0.001' : formatValue(value, { format: 'decimal', decimals: 3 });
export function daysText(days: number | null): string {
  if (days === null) return none;
  if (days <= 0) return 'enough';
  return days > 3650 ? '> 10 y' : `${formatValue(Math.ceil(days), { format: 'integer' })} d`;
}

// The scale on which a metric's intervals are drawn: zero, what matters and every interval are on it.
export function scaleOf(intervals: (Interval & { estimate: number | null })[], marks: number[]): { low: number; high: number } {
  const numbers = [0, ...marks, ...intervals.flatMap((one) => [one.lower, one.upper, one.estimate])].filter(
    (value): value is number => value !== null && Number.isFinite(value),
  );
  const low = Math.min(...numbers);
  const high = Math.max(...numbers);
  const pad = (high - low || 1) * 0.06;
  return { low: low - pad, high: high + pad };
}

// Arms keep their colour wherever they are shown; the control is grey.
export function colourOf(definition: Definition, variant: string): string {
  const treatments = definition.variants.filter((one) => !one.control);
  const index = treatments.findIndex((one) => one.variant === variant);
  return index < 0 ? 'var(--ink-3)' : `var(--series-${(index % 8) + 1})`;
}
