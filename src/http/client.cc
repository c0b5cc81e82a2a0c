#include "http/client.h"

#include "base/limits.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <memory>

namespace tidemark::http {
namespace {

using Handle = std::unique_ptr<CURL, void (*)(CURL*)>;

Result<Answer> perform(Handle& handle, const std::string& url, std::chrono::milliseconds timeout) {
  Answer answer;
  auto sink = +[](char* data, size_t size, size_t count, void* target) -> size_t {
    auto& body = *static_cast<std::string*>(target);
    if (body.size() + size * count > limits::http_answer_bytes_max) return 0;
    body.append(data, size * count);
    return size * count;
  };
  curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, sink);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &answer.body);
  CURLcode code = curl_easy_perform(handle.get());
  if (code != CURLE_OK)
    return fail(ErrorKind::dependency_down,
                fmt::format("{} does not answer: {}", url, curl_easy_strerror(code)));
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

using Headers = std::unique_ptr<curl_slist, void (*)(curl_slist*)>;
Headers authorization(const std::string& token) {
  std::string header = "Authorization: Bearer " + token;
  return Headers(token.empty() ? nullptr : curl_slist_append(nullptr, header.c_str()), curl_slist_free_all);
}

}  // namespace

Result<Answer> get(const std::string& url, const std::string& token, std::chrono::milliseconds timeout) {
  Handle handle(curl_easy_init(), curl_easy_cleanup);
  auto headers = authorization(token);
  if (headers) curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  return perform(handle, url, timeout);
}

Result<Answer> post(const std::string& url, const std::string& token, const std::string& body,
                    std::chrono::milliseconds timeout) {
  Handle handle(curl_easy_init(), curl_easy_cleanup);
  auto headers = authorization(token);
  if (headers) curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDS, body.data());
  return perform(handle, url, timeout);
}

}  // namespace tidemark::http
