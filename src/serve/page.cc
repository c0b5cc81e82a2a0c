#include "serve/page.h"

#include "base/resource.h"

namespace tidemark::serve {

namespace {

const char* content_type(std::string_view file) {
  constexpr std::pair<std::string_view, const char*> types[] = {{".html", "text/html; charset=utf-8"},
                                                                {".js", "text/javascript; charset=utf-8"},
                                                                {".css", "text/css; charset=utf-8"},
                                                                {".svg", "image/svg+xml"},
                                                                {".json", "application/json"},
                                                                {".woff2", "font/woff2"},
                                                                {".webmanifest", "application/manifest+json"},
                                                                {".png", "image/png"}};
  for (const auto& [ending, type] : types)
    if (file.ends_with(ending)) return type;
  return "application/octet-stream";
}

// FNV-1a: tells versions of one file apart, nothing more.
std::string etag_of(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
  return fmt::format("\"{:016x}\"", hash);
}

}  // namespace

http::Response page_file(const http::Request& request, const std::string& file) {
  const std::string name = "web/" + file;
  auto bytes = resource(name);
  if (!bytes || file.ends_with(".gz"))
    return http::Response::problem(404, "not found", "there is no file " + file);
  http::Response response;
  const bool accepts_gzip = request.header("accept-encoding").find("gzip") != std::string_view::npos;
  const auto compressed = resource(name + ".gz");
  if (compressed) response.headers.emplace_back("Vary", "Accept-Encoding");
  if (compressed && accepts_gzip) {
    bytes = compressed;
    response.headers.emplace_back("Content-Encoding", "gzip");
  }
  const std::string etag = etag_of(*bytes);
  response.headers.emplace_back("ETag", etag);
  response.headers.emplace_back(
      "Cache-Control", file.starts_with("assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  if (request.header("if-none-match").find(etag) != std::string_view::npos) {
    response.status = 304;
    return response;
  }
  response.headers.emplace_back("Content-Type", content_type(file));
  response.built_in = *bytes;
  return response;
}

void add_page_routes(http::Server& server) {
  const auto index = [](const http::Request& request) { return page_file(request, "index.html"); };
  server.route("GET", "/", index);
  for (const char* page : {"overview", "dashboards", "models", "segments", "people", "experiments", "sql",
                           "alerts", "plans", "quarantine", "settings", "docs"}) {
    server.route("GET", fmt::format("/{}", page), index);
    server.route("GET", fmt::format("/{}/{{rest...}}", page), index);
  }
  server.route("GET", "/assets/{file}", [](const http::Request& request) {
    return page_file(request, "assets/" + request.path_parameters.at("file"));
  });
  for (const char* file : {"favicon.svg", "theme.js"})
    server.route("GET", fmt::format("/{}", file),
                 [file](const http::Request& request) { return page_file(request, file); });
}

}  // namespace tidemark::serve
