// What states mean to a reader: in order, at work, to be looked at, broken.
export type StateTone = 'good' | 'busy' | 'warn' | 'bad' | 'idle';

const tones: Record<string, StateTone> = {
  streaming: 'good', idle: 'good', live: 'good', delivering: 'good', ok: 'good',
  loading: 'busy', copying: 'busy', starting: 'busy', building: 'busy',
  pending: 'warn', waiting: 'warn', stale: 'warn', dropped: 'warn', slowed: 'warn', away: 'warn', full: 'warn',
  firing: 'bad', failed: 'bad', disabled: 'bad', warehouse: 'bad',
};
export const toneOf = (state: string): StateTone => tones[state] ?? 'idle';
