#include "notify/http_post.h"

#include "base/clock.h"
#include "notify/notify_limits.h"
#include "notify/retry_schedule.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <mutex>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace tidemark::notify {

struct HttpPost::Handle {
  std::string url;
  AddressGuard guard;
  std::chrono::milliseconds timeout;
  const std::atomic<bool>& stop;
  CURL* curl = nullptr;
  int64_t stop_seen_at = 0;
  std::string refused;  // the address the guard did not let through, and why
  PostAnswer answer;

  Handle(std::string to, AddressGuard checked, std::chrono::milliseconds at_most,
         const std::atomic<bool>& stopping)
      : url(std::move(to)), guard(std::move(checked)), timeout(at_most), stop(stopping) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    curl = curl_easy_init();
  }
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  // The last word before connecting: this very address is used.
  static curl_socket_t open_socket(void* context, curlsocktype, curl_sockaddr* to) {
    auto& self = *static_cast<Handle*>(context);
    auto address = address_of(&to->addr);
    if (!address) {
      self.refused = "an address that is neither IPv4 nor IPv6";
      return CURL_SOCKET_BAD;
    }
    if (auto why = self.guard.refuses(*address)) {
      self.refused = fmt::format("{} ({})", text_of(*address), *why);
      return CURL_SOCKET_BAD;
    }
    return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
  }
  static size_t take_body(char* data, size_t size, size_t count, void* context) {
    auto& body = static_cast<Handle*>(context)->answer.body;
    // The rest is read and forgotten, so that the connection can be used again.
    body.append(data, std::min(size * count, limits::answer_bytes_max - body.size()));
    return size * count;
  }
  static size_t take_header(char* data, size_t size, size_t count, void* context) {
    std::string_view line(data, size * count);
    auto& answer = static_cast<Handle*>(context)->answer;
    constexpr std::string_view wanted = "retry-after:";
    if (line.size() > wanted.size() && curl_strnequal(line.data(), wanted.data(), wanted.size()) != 0)
      answer.retry_after = line.substr(wanted.size());
    return size * count;
  }
  static int progress(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    auto& self = *static_cast<Handle*>(context);
    if (!self.stop) return 0;
    int64_t now = system_clock().monotonic_micros();
    if (self.stop_seen_at == 0) self.stop_seen_at = now;
    return now - self.stop_seen_at > limits::stop_grace.count() * 1000 ? 1 : 0;
  }
};

HttpPost::HttpPost(std::string url, AddressGuard guard, std::chrono::milliseconds timeout,
                   const std::atomic<bool>& stop)
    : handle_(std::make_unique<Handle>(std::move(url), std::move(guard), timeout, stop)) {}
HttpPost::~HttpPost() = default;

PostAnswer HttpPost::post(std::string_view body,
                          const std::vector<std::pair<std::string, std::string>>& headers) {
  Handle& handle = *handle_;
  CURL* curl = handle.curl;
  handle.answer = {};
  handle.refused.clear();
  curl_easy_reset(curl);
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : headers)
    // ";" is how curl is told to send a header without a value.
    list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
  char reason[CURL_ERROR_SIZE] = {};
  curl_easy_setopt(curl, CURLOPT_URL, handle.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(handle.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits::connect_timeout.count()));
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, Handle::open_socket);
  curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &handle);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Handle::take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &handle);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Handle::take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &handle);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, Handle::progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &handle);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(list);
  if (code == CURLE_OK) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &handle.answer.status);
  } else if (!handle.refused.empty()) {
    handle.answer.failure = "the address is not allowed: " + handle.refused;
  } else if (code == CURLE_OPERATION_TIMEDOUT) {
    handle.answer.failure = fmt::format("no answer within {} s", handle.timeout.count() / 1000);
  } else if (code == CURLE_ABORTED_BY_CALLBACK) {
    handle.answer.failure = "stopped while it was under way";
  } else {
    // curl's longer text may quote the URL.
    handle.answer.failure = curl_easy_strerror(code);
  }
  return handle.answer;
}

Outcome outcome_of(const PostAnswer& answer, const Redaction& redaction, int64_t now_s) {
  using Result = Outcome::Result;
  if (!answer.failure.empty()) return {.result = Result::failed, .answer = redaction.excerpt(answer.failure)};
  Outcome outcome{.result = Result::failed,
                  .status = static_cast<int>(answer.status),
                  .answer = redaction.excerpt(answer.body)};
  if (answer.status >= 200 && answer.status < 300) {
    outcome.result = Result::delivered;
  } else if (answer.status == 410) {
    outcome.result = Result::gone;
  } else {
    outcome.retry_after_s = parse_retry_after(answer.retry_after, now_s);
    outcome.slow_down = answer.status == 429;
  }
  return outcome;
}

}  // namespace tidemark::notify
