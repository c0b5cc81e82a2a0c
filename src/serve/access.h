// Who may do what over HTTP. The project's own token, which lies in its directory, may do everything; those
// of tidemark.yaml (config::AccessToken) what their scopes say, `admin` everything. Only hashes are kept, and
// all of them are compared, so the time taken tells nothing.
#pragma once

#include "config/access_token.h"
#include "config/token_limits.h"
#include "http/server.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::serve {

class Access {
 public:
  // An empty control token lets nobody in.
  Access(const std::string& control_token, const std::vector<config::AccessToken>& tokens,
         const std::map<std::string, config::TokenLimits>& limits = {});

  // Asked first, on one thread: the limits of the token that the request brings. Counts it; sets what ends
  // with the request and the headers RateLimit and RateLimit-Policy of its answer. 429 with Retry-After when
  // it is one too many.
  std::optional<http::Response> admit(http::Request& request) const;
  // Nothing: the request brings a token ("Authorization: Bearer <token>") that may do this; else 401 or 403.
  std::optional<http::Response> refuse(const http::Request& request, const std::string& scope) const;
  // For reading browsers may bring it as the cookie that let_browser_in() gives them: a page cannot send
  // headers along with its event streams. What changes something never looks at cookies.
  std::optional<http::Response> refuse_reading(const http::Request& request) const;
  // For "/enter?token=<token>": on to "/" with the cookie.
  http::Response let_browser_in(const http::Request& request, const std::string& token) const;
  // What the token that the request brings is for alone; null: no token of that kind.
  const config::FixedParameters* fixed_of(const http::Request& request) const;
  // Who asks: the name of the token, "project" for the project's own; empty: nobody we know.
  std::string name_of(const http::Request& request) const;

 private:
  struct TokenUse;
  using Hash = std::array<unsigned char, 32>;
  static Hash hash_of(std::string_view text);
  struct Known {
    Hash hash;
    std::vector<std::string> scopes;
    std::string name;
    config::TokenLimits limits;
    std::shared_ptr<TokenUse> use;  // when there is a limit
  };
  const Known* find(const http::Request& request) const;
  const Known* find(std::string_view token) const;
  const Known* find_in_cookie(const http::Request& request) const;
  static std::optional<http::Response> refuse(const Known* who, const std::string& scope);
  std::vector<Known> known_;
};

}  // namespace tidemark::serve
