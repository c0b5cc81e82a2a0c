// Signatures of Standard Webhooks 1.0.0 (https://www.standardwebhooks.com): HMAC-SHA256 over
// "<id>.<timestamp>.<body>", in base64, one for each secret, so that a receiver can change to a new secret
// while both are signed with. Stateless.
#pragma once

#include "base/error.h"
#include "base/secret.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::notify {

// The key behind "whsec_<base64>" (the prefix may be missing). Errors: config, without the secret in them.
Result<Secret> webhook_key(std::string_view secret);

// "v1,<base64> v1,<base64>". `timestamp_s`: unix seconds of this try.
std::string webhook_signature(const std::vector<Secret>& keys, std::string_view id, int64_t timestamp_s,
                              std::string_view body);

}  // namespace tidemark::notify
