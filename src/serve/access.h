// Who may do what over HTTP. The project's own token, which lies in its directory, may do everything; those
// of tidemark.yaml (config::AccessToken) what their scopes say, `admin` everything. Only hashes are kept, and
// all of them are compared, so the time taken tells nothing.
#pragma once

#include "config/access_token.h"
#include "http/server.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::serve {

class Access {
 public:
  // An empty control token lets nobody in.
  Access(const std::string& control_token, const std::vector<config::AccessToken>& tokens);

  // Nothing: the request brings a token ("Authorization: Bearer <token>") that may do this; else 401 or 403.
  std::optional<http::Response> refuse(const http::Request& request, const std::string& scope) const;
  // For reading browsers may bring it as the cookie that let_browser_in() gives them: a page cannot send
  // headers along with its event streams. What changes something never looks at cookies.
  std::optional<http::Response> refuse_reading(const http::Request& request) const;
  // For "/enter?token=<token>": on to "/" with the cookie.
  http::Response let_browser_in(const http::Request& request, const std::string& token) const;
  // Who asks: the name of the token, "project" for the project's own; empty: nobody we know.
  std::string name_of(const http::Request& request) const;

 private:
  using Hash = std::array<unsigned char, 32>;
  static Hash hash_of(std::string_view text);
  struct Known {
    Hash hash;
    std::vector<std::string> scopes;
    std::string name;
  };
  const Known* find(const http::Request& request) const;
  const Known* find(std::string_view token) const;
  static std::optional<http::Response> refuse(const Known* who, const std::string& scope);
  std::vector<Known> known_;
};

}  // namespace tidemark::serve
