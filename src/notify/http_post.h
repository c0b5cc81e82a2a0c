// One HTTP(S) request to a receiver somebody else runs: never redirected, bounded in time and bytes, to
// addresses the guard lets through. Certificates are checked against the system's.
//
// Keeps its connection between calls. One thread.
#pragma once

#include "notify/address_guard.h"
#include "notify/carrier.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::notify {

struct PostAnswer {
  long status = 0;
  std::string body;         // its beginning
  std::string retry_after;  // the header
  std::string failure;      // why there is no answer; empty when there is one
};

class HttpPost {
 public:
  // `stop`: set and limits::stop_grace later, a request under way is given up. Must outlive it.
  HttpPost(std::string url, AddressGuard guard, std::chrono::milliseconds timeout,
           const std::atomic<bool>& stop);
  ~HttpPost();
  HttpPost(const HttpPost&) = delete;
  HttpPost& operator=(const HttpPost&) = delete;

  PostAnswer post(std::string_view body, const std::vector<std::pair<std::string, std::string>>& headers);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

// What an answer means to a notification: 2xx is success, 410 the end, everything else, redirects too, a
// failure that is tried again.
Outcome outcome_of(const PostAnswer& answer, const Redaction& redaction, int64_t now_s);

}  // namespace tidemark::notify
