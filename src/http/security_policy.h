// What a browser may do with what we send: nothing from elsewhere, no inline script or style. Who may show it
// in a frame is the one thing that differs.
#pragma once

#include <string>
#include <string_view>

namespace tidemark::http {

// The value of Content-Security-Policy. `framed_by`: "'self'", or origins with spaces between.
inline std::string content_security_policy(std::string_view framed_by) {
  std::string policy =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
      "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors ";
  policy += framed_by;
  return policy;
}

}  // namespace tidemark::http
