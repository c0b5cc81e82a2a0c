#include "clickhouse/endpoint.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <memory>

namespace tidemark::clickhouse {
namespace {

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, CURLU_URLDECODE) != CURLUE_OK || text == nullptr) return {};
  std::string value = text;
  curl_free(text);
  return value;
}

}  // namespace

Result<Endpoint> Endpoint::parse(std::string_view url, std::string user, Secret password) {
  std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  // The URL itself is not repeated in the message: it may hold a password.
  if (curl_url_set(parsed.get(), CURLUPART_URL, std::string(url).c_str(), CURLU_NON_SUPPORT_SCHEME) !=
      CURLUE_OK)
    return fail(ErrorKind::config, "the warehouse URL cannot be read",
                "write it as http://host:8123/database or https://host:8443/database");
  std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return fail(ErrorKind::config,
                fmt::format("the warehouse URL has scheme {}, ClickHouse is spoken to over HTTP", scheme),
                "use http://host:8123 or https://host:8443, not the native port");
  Endpoint endpoint;
  endpoint.tls = scheme == "https";
  endpoint.url_host = part(parsed.get(), CURLUPART_HOST);
  std::string port = part(parsed.get(), CURLUPART_PORT);
  endpoint.port = port.empty() ? (endpoint.tls ? 8443 : 8123) : static_cast<uint16_t>(std::stoi(port));
  std::string path = part(parsed.get(), CURLUPART_PATH);
  while (!path.empty() && path.front() == '/') path.erase(0, 1);
  while (!path.empty() && path.back() == '/') path.pop_back();
  if (path.find('/') != std::string::npos)
    return fail(ErrorKind::config, "the warehouse URL has a path of more than one part",
                "only the database's name may follow the host: http://host:8123/database");
  if (!path.empty()) endpoint.database = path;
  endpoint.user = user.empty() ? part(parsed.get(), CURLUPART_USER) : std::move(user);
  if (endpoint.user.empty()) endpoint.user = "default";
  endpoint.password = password.empty() ? Secret(part(parsed.get(), CURLUPART_PASSWORD)) : std::move(password);
  return endpoint;
}

std::string Endpoint::base_url() const {
  return fmt::format("{}://{}:{}", tls ? "https" : "http", url_host, port);
}

}  // namespace tidemark::clickhouse
