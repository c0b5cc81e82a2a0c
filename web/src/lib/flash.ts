// A short tint when a value changes, so that the eye finds what moved; nothing for those who asked for no motion.
export function flash(node: HTMLElement, value: unknown) {
  let last = value;
  return {
    update(next: unknown) {
      if (next === last) return;
      last = next;
      if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
      const style = getComputedStyle(node);
      node.animate([{ color: style.getPropertyValue('--flash') }, { color: style.color }], { duration: 700, easing: 'ease-out' });
    },
  };
}
