#include "http/fetch.h"

#include "base/clock.h"
#include "base/limits.h"
#include "http/http_limits.h"

#include <algorithm>
#include <cstdio>
#include <curl/curl.h>
#include <fmt/format.h>
#include <mutex>

namespace tidemark::http {

struct Fetcher::Handle {
  const std::atomic<bool>& stop;
  CURL* curl = nullptr;
  int64_t stop_seen_at = 0;
  FetchAnswer answer;
  std::FILE* file = nullptr;  // where a body of 200 goes
  bool too_large = false;
  bool disk_failed = false;

  explicit Handle(const std::atomic<bool>& stopping) : stop(stopping) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    curl = curl_easy_init();
  }
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  static size_t take_body(char* data, size_t size, size_t count, void* context) {
    auto& self = *static_cast<Handle*>(context);
    const size_t bytes = size * count;
    long status = 0;
    curl_easy_getinfo(self.curl, CURLINFO_RESPONSE_CODE, &status);
    if (self.file != nullptr && status == 200) {
      self.disk_failed = std::fwrite(data, 1, bytes, self.file) != bytes;
      return self.disk_failed ? 0 : bytes;
    }
    self.too_large = self.answer.body.size() + bytes > limits::fetch_answer_bytes_max;
    if (self.too_large) return 0;
    self.answer.body.append(data, bytes);
    return bytes;
  }
  static size_t take_header(char* data, size_t size, size_t count, void* context) {
    std::string_view line(data, size * count);
    auto& headers = static_cast<Handle*>(context)->answer.headers;
    size_t colon = line.find(':');
    if (colon == std::string_view::npos || headers.size() >= limits::fetch_headers_max) return size * count;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' '))
      value.remove_suffix(1);
    headers[std::move(name)] = value;
    return size * count;
  }
  static int progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& self = *static_cast<Handle*>(context);
    if (!self.stop) return 0;
    int64_t now = system_clock().monotonic_micros();
    if (self.stop_seen_at == 0) self.stop_seen_at = now;
    return now - self.stop_seen_at > limits::fetch_stop_grace_us ? 1 : 0;
  }
};

Fetcher::Fetcher(const std::atomic<bool>& stop) : handle_(std::make_unique<Handle>(stop)) {}
Fetcher::~Fetcher() = default;

Result<FetchAnswer> Fetcher::fetch(const FetchRequest& request) {
  return perform(request, nullptr);
}

Result<FetchAnswer> Fetcher::download(const FetchRequest& request, const std::filesystem::path& file) {
  return perform(request, &file);
}

Result<FetchAnswer> Fetcher::perform(const FetchRequest& request, const std::filesystem::path* file) {
  Handle& handle = *handle_;
  CURL* curl = handle.curl;
  handle.answer = {};
  handle.too_large = handle.disk_failed = false;
  if (file != nullptr) {
    handle.file = std::fopen(file->c_str(), "wb");
    if (handle.file == nullptr)
      return fail(ErrorKind::refused, fmt::format("{} cannot be written", file->string()),
                  "make room and see to its permissions");
  }
  curl_easy_reset(curl);
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : request.headers)
    list = curl_slist_append(list, fmt::format("{}: {}", name, value).c_str());
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, limits::fetch_connect_ms);
  // A download may be long; it may not stand still.
  if (file != nullptr) {
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, limits::fetch_slow_bytes_per_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, limits::fetch_slow_s);
  } else {
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, limits::fetch_timeout_ms);
  }
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Handle::take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &handle);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Handle::take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &handle);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, Handle::progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &handle);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  if (!request.body.empty()) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
  }
  CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(list);
  if (handle.file != nullptr) {
    handle.disk_failed |= std::fclose(handle.file) != 0;
    handle.file = nullptr;
  }
  const std::string where = request.url.substr(0, request.url.find('?'));
  if (handle.disk_failed)
    return fail(ErrorKind::dependency_down, fmt::format("{} could not be written", file->string()),
                "make room on the disk");
  if (handle.too_large)
    return fail(ErrorKind::limit,
                fmt::format("{} answers with more than {} bytes", where, limits::fetch_answer_bytes_max));
  if (code == CURLE_ABORTED_BY_CALLBACK) return fail(ErrorKind::cancelled, "stopped");
  if (code != CURLE_OK)
    return fail(ErrorKind::dependency_down,
                fmt::format("{} does not answer: {}", where, curl_easy_strerror(code)));
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &handle.answer.status);
  return std::move(handle.answer);
}

std::string origin_of(std::string_view url) {
  for (std::string_view scheme : {"https://", "http://"})
    if (url.starts_with(scheme)) {
      std::string_view host = url.substr(scheme.size());
      host = host.substr(0, host.find_first_of("/?#"));
      return host.empty() ? "" : std::string(scheme) + std::string(host);
    }
  return "";
}

int64_t http_date_micros(std::string_view text) {
  if (text.empty()) return 0;
  time_t seconds = curl_getdate(std::string(text).c_str(), nullptr);
  return seconds < 0 ? 0 : static_cast<int64_t>(seconds) * 1'000'000;
}

}  // namespace tidemark::http
