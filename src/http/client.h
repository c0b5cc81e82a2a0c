// Requests over HTTP, for verbs that ask a running instance. One connection a call.
#pragma once

#include "base/error.h"

#include <chrono>
#include <string>

namespace tidemark::http {

struct Answer {
  long status = 0;
  std::string body;
};

// Errors: dependency_down when nobody answers in time. A status of 400 or more is an Answer, not an error.
// `token` goes along as "Authorization: Bearer ..." unless it is empty.
Result<Answer> get(const std::string& url, const std::string& token, std::chrono::milliseconds timeout);
// The same with a body.
Result<Answer> post(const std::string& url, const std::string& token, const std::string& body,
                    std::chrono::milliseconds timeout);

}  // namespace tidemark::http
