// The page's files (web/, built by Vite, embedded by cmake/web.cmake), each with its gzip twin where that is
// smaller. Files under assets/ have their content's hash in the name and are cached for ever; the rest is
// revalidated by ETag.
#pragma once

#include "http/server.h"

namespace tidemark::serve {

// `file` as under web/dist: "index.html", "assets/index-abc.js". 404 when there is none.
http::Response page_file(const http::Request& request, const std::string& file);

// The page's files, and its index at the path of every page in it: which one is shown is the browser's matter
// (web/src/frame/pages.ts). Paths of no page stay 404.
void add_page_routes(http::Server& server);

}  // namespace tidemark::serve
