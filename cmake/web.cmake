# The page (web/) is built by Vite and embedded by serve; see src/serve/page.h.
