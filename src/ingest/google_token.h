// What Google's APIs want to see: an access token, good for an hour, made out for the key of a service
// account (a signed assertion, RFC 7523), or one that was given as it is. One thread.
#pragma once

#include "ingest/pull_desk.h"

namespace tidemark::ingest {

class GoogleToken {
 public:
  explicit GoogleToken(PullDesk& desk) : desk_(desk) {}
  // Errors: refused (no key, or an account that is not let in), those of asking.
  Result<std::string> get();
  // It was refused: the next is a new one. False: there can be no other.
  bool forget();

 private:
  PullDesk& desk_;
  std::string token_;
  int64_t good_until_ = 0;
};

// A JWT over `claims` (a JSON object), signed with RS256 by `private_key` (PEM). Errors: refused.
Result<std::string> signed_assertion(std::string_view claims, const std::string& private_key);

}  // namespace tidemark::ingest
