import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// Built by CMake (cmake/web.cmake), which passes --outDir and embeds the result into the binary.
// `npx vite web` develops against a running project: its API is passed through.
export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../build/web-page/dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0, // the page's content security policy has no inline script
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8088' } },
});
