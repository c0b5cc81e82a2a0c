// Links to one dashboard for people without a token: signed, for a time, with filters that cannot be taken
// off. What a link allows stands in it, and the project's key, .tidemark/link.key, signs it: no list decides
// whether it is good. Who deletes the key takes all links back. Which were made is written down
// (link_register.h), so that one can be taken back alone.
//
//   <payload>.<signature>     both base64url; HMAC-SHA256 of "tidemark-link-1." and the payload
//   payload: {"id":"q7Zr2kP1","dashboard":"sales","filters":{"country":["Italy"]},"embed":["https://..."],
//             "expires":1790000000}      older ones have no id
//
// A link shows no other dashboard, no row behind a row, no state of the project. With fixed filters it only
// shows a dashboard whose every tile names every one of them: others would show more than is meant.
//
// Values; no threads.
#pragma once

#include "base/error.h"
#include "config/dashboard.h"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::serve {

struct SharedLink {
  std::string id;  // empty: it was made before links had one
  std::string dashboard;
  std::map<std::string, std::vector<std::string>> filters;  // fixed
  std::vector<std::string> embed;                           // origins whose pages may show it in a frame
  int64_t expires_s = 0;                                    // since 1970

  // Errors: usage, when the dashboard has no such filter, a value is none, or a tile does not name one.
  Status fits(const config::Dashboard& wanted) const;
};

// Letters that nobody guesses, for a file's name too. Errors: internal, without random bytes.
Result<std::string> new_link_id();

class LinkKey {
 public:
  // Of the project in this directory; made when there is none. Errors: config (the file is no key),
  // dependency_down (it can be neither read nor written).
  static Result<LinkKey> open(const std::filesystem::path& project_directory);
  explicit LinkKey(std::string bytes) : bytes_(std::move(bytes)) {}

  std::string sign(const SharedLink& link) const;
  // Errors: refused when we did not sign it; limit when its time is over.
  Result<SharedLink> verify(std::string_view token, int64_t now_s) const;

 private:
  std::string signature_of(std::string_view payload) const;
  std::string bytes_;
};

}  // namespace tidemark::serve
