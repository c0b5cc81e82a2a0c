#include "serve/access.h"

#include <algorithm>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace tidemark::serve {

using http::Request;
using http::Response;

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

const Access::Known* Access::find(const Request& request) const {
  constexpr std::string_view bearer = "Bearer ";
  std::string_view given = request.header("authorization");
  const Known* who = nullptr;
  if (given.starts_with(bearer)) {
    Hash hash = hash_of(given.substr(bearer.size()));
    for (const auto& one : known_)
      if (CRYPTO_memcmp(hash.data(), one.hash.data(), hash.size()) == 0) who = &one;
  }
  return who;
}

std::string Access::name_of(const Request& request) const {
  const Known* who = find(request);
  return who == nullptr ? "" : who->name;
}

std::optional<Response> Access::refuse(const Request& request, const std::string& scope) const {
  const Known* who = find(request);
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
