// A short tint when a value changes, so that the eye finds what moved; nothing for those who asked for no motion.
export function flash(node: HTMLElement, value: unknown) {
  let last = value;
  return {
    update(next: unknown) {
      if (next === last) return;
      last = next;
      if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
      const tint = getComputedStyle(node).getPropertyValue('--flash');
      node.animate([{ backgroundColor: tint }, { backgroundColor: 'transparent' }], { duration: 900, easing: 'ease-out' });
    },
  };
}
