#include "serve/access.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace tidemark::serve {

using http::Request;
using http::Response;

namespace {
constexpr std::string_view cookie = "tidemark_token=";
}

Access::Hash Access::hash_of(std::string_view text) {
  Hash hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return hash;
}

Access::Access(const std::string& control_token, const std::vector<config::AccessToken>& tokens) {
  if (!control_token.empty()) known_.push_back({hash_of(control_token), {"admin"}, "project"});
  for (const auto& token : tokens)
    if (!token.value.empty()) known_.push_back({hash_of(token.value.reveal()), token.scopes, token.name});
}

const Access::Known* Access::find(std::string_view token) const {
  const Known* who = nullptr;
  Hash hash = hash_of(token);
  for (const auto& one : known_)
    if (CRYPTO_memcmp(hash.data(), one.hash.data(), hash.size()) == 0) who = &one;
  return who;
}

const Access::Known* Access::find(const Request& request) const {
  constexpr std::string_view bearer = "Bearer ";
  std::string_view given = request.header("authorization");
  return given.starts_with(bearer) ? find(given.substr(bearer.size())) : nullptr;
}

std::string Access::name_of(const Request& request) const {
  const Known* who = find(request);
  return who == nullptr ? "" : who->name;
}

std::optional<Response> Access::refuse(const Request& request, const std::string& scope) const {
  return refuse(find(request), scope);
}

std::optional<Response> Access::refuse_reading(const Request& request) const {
  if (const Known* who = find(request)) return refuse(who, "read");
  // "a=1; tidemark_token=..."
  std::string_view cookies = request.header("cookie");
  while (!cookies.empty()) {
    std::string_view one = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(cookies.size(), one.size() + 1));
    one.remove_prefix(std::min(one.size(), one.find_first_not_of(' ')));
    if (one.starts_with(cookie)) return refuse(find(one.substr(cookie.size())), "read");
  }
  return refuse(nullptr, "read");
}

Response Access::let_browser_in(const Request& request, const std::string& token) const {
  if (auto refused = refuse(find(token), "read")) return *refused;
  bool encrypted = request.header("x-forwarded-proto") == "https";
  Response response;
  response.status = 303;
  response.headers = {{"Location", "/"},
                      {"Cache-Control", "no-store"},
                      {"Set-Cookie", fmt::format("{}{}; Path=/; HttpOnly; SameSite=Strict{}", cookie, token,
                                                 encrypted ? "; Secure" : "")}};
  return response;
}

std::optional<Response> Access::refuse(const Known* who, const std::string& scope) {
  if (who == nullptr)
    return Response::problem(
        401, "not allowed", "this request needs the project's token, or one of `tokens`",
        "use the verbs of tidemark in the project's directory, or send Authorization: Bearer "
        "with a token of tidemark.yaml");
  auto has = [&](const std::string& one) {
    return std::find(who->scopes.begin(), who->scopes.end(), one) != who->scopes.end();
  };
  if (has("admin") || has(scope)) return std::nullopt;
  return Response::problem(403, "not allowed", fmt::format("the token has not the scope {}", scope),
                           "add it to the token's `scopes` in tidemark.yaml, or use another token");
}

}  // namespace tidemark::serve
