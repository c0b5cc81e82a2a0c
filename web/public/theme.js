// Before the first paint, so that a remembered theme does not flash.
try {
  var theme = localStorage.getItem('tidemark-theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch (error) {
  // storage may be forbidden; the system's theme is right then
}
