#include "serve/access.h"

#include "base/clock.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace tidemark::serve {

using http::Request;
using http::Response;

namespace {
constexpr std::string_view cookie = "tidemark_token=";

bool is_over(int64_t expires_s) {
  return expires_s > 0 && system_clock().wall_micros() >= expires_s * 1'000'000;
}
}  // namespace

// A bucket that fills evenly up to a minute's requests: who was quiet may ask for all of them at once.
struct Access::TokenUse {
  double left = 0;
  int64_t filled_at = 0;
  std::atomic<int64_t> under_way{0};
};

Access::Hash Access::hash_of(std::string_view text) {
  Hash hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return hash;
}

Access::Access(const std::string& control_token, const std::vector<config::AccessToken>& tokens,
               const std::map<std::string, config::TokenLimits>& limits) {
  if (!control_token.empty())
    known_.push_back({.hash = hash_of(control_token), .scopes = {"admin"}, .name = "project"});
  for (const auto& token : tokens)
    if (!token.value.empty()) {
      auto found = limits.find(token.name);
      config::TokenLimits own = found == limits.end() ? config::TokenLimits() : found->second;
      bool limited = own.requests_per_minute > 0 || own.in_flight > 0;
      known_.push_back({.hash = hash_of(token.value.reveal()),
                        .scopes = token.scopes,
                        .name = token.name,
                        .limits = own,
                        .use = limited ? std::make_shared<TokenUse>() : nullptr});
      if (limited) known_.back().use->left = static_cast<double>(own.requests_per_minute);
    }
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

const Access::Known* Access::find_in_cookie(const Request& request) const {
  // "a=1; tidemark_token=..."
  std::string_view cookies = request.header("cookie");
  while (!cookies.empty()) {
    std::string_view one = cookies.substr(0, cookies.find(';'));
    cookies.remove_prefix(std::min(cookies.size(), one.size() + 1));
    one.remove_prefix(std::min(one.size(), one.find_first_not_of(' ')));
    if (one.starts_with(cookie)) return find(one.substr(cookie.size()));
  }
  return nullptr;
}

std::optional<Response> Access::admit(Request& request) const {
  const Known* who = find(request);
  if (who == nullptr) who = find_in_cookie(request);
  // A token that is over is refused by whoever asks for its scope.
  if (who == nullptr || !who->use || is_over(who->limits.expires_s)) return std::nullopt;
  TokenUse& use = *who->use;
  if (who->limits.in_flight > 0 && use.under_way >= who->limits.in_flight) {
    Response busy =
        Response::problem(429, "too many requests",
                          fmt::format("{} requests of the token {} are under way, which is the most",
                                      who->limits.in_flight, who->name),
                          "wait for the answers of those before");
    busy.headers.emplace_back("Retry-After", "1");
    return busy;
  }
  if (who->limits.requests_per_minute > 0) {
    auto most = static_cast<double>(who->limits.requests_per_minute);
    int64_t now = system_clock().monotonic_micros();
    if (use.filled_at > 0)
      use.left = std::min(most, use.left + static_cast<double>(now - use.filled_at) * most / 60e6);
    use.filled_at = now;
    bool enough = use.left >= 1;
    if (enough) use.left -= 1;
    auto seconds_to = [&](double wanted) {
      return static_cast<int64_t>(std::ceil(std::max(0.0, wanted - use.left) * 60 / most));
    };
    request.answer_headers = {
        {"RateLimit-Policy", fmt::format("\"{}\";q={};w=60", "minute", who->limits.requests_per_minute)},
        {"RateLimit", fmt::format("\"minute\";r={};t={}", static_cast<int64_t>(use.left), seconds_to(most))}};
    if (!enough) {
      Response busy = Response::problem(
          429, "too many requests",
          fmt::format("the token {} may ask {} times a minute", who->name, who->limits.requests_per_minute),
          "ask less often; Retry-After says when the next request is taken");
      for (const auto& header : request.answer_headers) busy.headers.push_back(header);
      busy.headers.emplace_back("Retry-After", std::to_string(seconds_to(1)));
      return busy;
    }
  }
  ++use.under_way;
  request.held = std::shared_ptr<void>(nullptr, [use = who->use](void*) { --use->under_way; });
  return std::nullopt;
}

const config::FixedParameters* Access::fixed_of(const Request& request) const {
  const Known* who = find(request);
  if (who == nullptr) who = find_in_cookie(request);
  return who == nullptr || who->limits.fixed.empty() ? nullptr : &who->limits.fixed;
}

std::string Access::name_of(const Request& request) const {
  const Known* who = find(request);
  return who == nullptr || is_over(who->limits.expires_s) ? "" : who->name;
}

std::optional<Response> Access::refuse(const Request& request, const std::string& scope) const {
  return refuse(find(request), scope);
}

std::optional<Response> Access::refuse_reading(const Request& request) const {
  const Known* who = find(request);
  return refuse(who != nullptr ? who : find_in_cookie(request), "read");
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
  if (is_over(who->limits.expires_s))
    return Response::problem(401, "not allowed", fmt::format("the time of the token {} is over", who->name),
                             "whoever runs the project can give it another `expires` in tidemark.yaml");
  auto has = [&](const std::string& one) {
    return std::find(who->scopes.begin(), who->scopes.end(), one) != who->scopes.end();
  };
  if (has("admin") || has(scope)) return std::nullopt;
  return Response::problem(403, "not allowed", fmt::format("the token has not the scope {}", scope),
                           "add it to the token's `scopes` in tidemark.yaml, or use another token");
}

}  // namespace tidemark::serve
