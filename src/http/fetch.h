// Requests to APIs that somebody else runs: headers both ways, bodies bounded, never redirected, certificates
// checked against the system's, given up soon after `stop` is set. What an answer means, and how often to ask
// again, is the caller's affair.
//
// A Fetcher keeps its connections between calls; one thread.
#pragma once

#include "base/error.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::http {

struct FetchRequest {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};  // not empty: POST
};

struct FetchAnswer {
  long status = 0;
  std::string body;
  std::map<std::string, std::string, std::less<>> headers;  // names in lower case

  std::string_view header(std::string_view name) const {
    auto found = headers.find(name);
    return found == headers.end() ? std::string_view() : std::string_view(found->second);
  }
};

class Fetcher {
 public:
  // `stop` must outlive it.
  explicit Fetcher(const std::atomic<bool>& stop);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;
  Fetcher& operator=(const Fetcher&) = delete;

  // Errors: dependency_down (nobody answers, or not to the end), limit (the body is larger than what we
  // take), cancelled. A status of 400 or more is an answer. Messages do not have what stands behind a `?`.
  Result<FetchAnswer> fetch(const FetchRequest& request);
  // The body of a 200 goes to `file`, whatever its size; the answer's own is empty then.
  Result<FetchAnswer> download(const FetchRequest& request, const std::filesystem::path& file);

 private:
  struct Handle;
  Result<FetchAnswer> perform(const FetchRequest& request, const std::filesystem::path* file);
  std::unique_ptr<Handle> handle_;
};

// "https://host:port" of an address; empty: it is none of HTTP.
std::string origin_of(std::string_view url);
// Microseconds since 1970 of an HTTP date; 0: it is none.
int64_t http_date_micros(std::string_view text);

}  // namespace tidemark::http
