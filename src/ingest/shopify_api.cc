#include "ingest/shopify_api.h"

#include "ingest/pull_limits.h"
#include "ingest/shopify_shape.h"

#include <cmath>

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

double number_at(const json::value& value, std::initializer_list<std::string_view> path) {
  const json::value& found = shopify_member(value, path);
  return found.is_number() ? found.to_number<double>() : 0;
}

// Until the bucket has what a question like this asks for; 0: it has.
int64_t micros_to_fill(const json::value& answer) {
  double asked = number_at(answer, {"extensions", "cost", "requestedQueryCost"});
  double left = number_at(answer, {"extensions", "cost", "throttleStatus", "currentlyAvailable"});
  double rate = number_at(answer, {"extensions", "cost", "throttleStatus", "restoreRate"});
  double most = number_at(answer, {"extensions", "cost", "throttleStatus", "maximumAvailable"});
  if (rate <= 0) return 0;
  double missing = std::min(asked, most) - left;
  return missing <= 0 ? 0 : static_cast<int64_t>(std::ceil(missing / rate * 1e6));
}

std::string code_of(const json::value& error) {
  return shopify_text(shopify_member(error, {"extensions", "code"}));
}

}  // namespace

Status ShopifyApi::wait_for_points() {
  int64_t missing = ready_at_ - desk_.clock().wall_micros();
  if (missing > 0 && !desk_.wait(missing, "points of Shopify's bucket", true))
    return fail(ErrorKind::cancelled, "stopped");
  return {};
}

Result<ShopifyApi::Answer> ShopifyApi::ask(std::string_view query, json::object variables) {
  const auto& settings = desk_.settings();
  const std::string body =
      json::serialize(json::object{{"query", std::string(query)}, {"variables", std::move(variables)}});
  int64_t backoff = limits::pull_pause_first_us;
  for (int tries = 1;; ++tries) {
    TRY_VOID(wait_for_points());
    auto answer =
        TRY(desk_.ask({.url = fmt::format("{}/admin/api/{}/graphql.json", settings.url, settings.version),
                       .headers = {{"X-Shopify-Access-Token", settings.token.reveal()},
                                   {"Content-Type", "application/json"}},
                       .body = body}));
    if (answer.status == 404)
      return fail(ErrorKind::refused,
                  fmt::format("{} knows no Admin API of version {}", settings.url, settings.version),
                  "see to `url` (https://<shop>.myshopify.com) and `version`");
    if (answer.status != 200)
      return fail(desk_.refusal(answer, "a question",
                                "the token is the Admin API access token of an app of this shop"));
    json::error_code bad;
    json::value parsed = json::parse(answer.body, bad);
    if (bad || !parsed.is_object())
      return fail(ErrorKind::corrupt, fmt::format("{} answers with something that is no GraphQL: {}",
                                                  settings.url, desk_.excerpt(answer.body)));
    const int64_t now = desk_.clock().wall_micros();
    ready_at_ = now + micros_to_fill(parsed);
    const json::value& errors = shopify_member(parsed, {"errors"});
    if (!errors.is_array() || errors.as_array().empty()) {
      const json::value& data = shopify_member(parsed, {"data"});
      if (!data.is_object())
        return fail(ErrorKind::corrupt,
                    fmt::format("{} answers without data: {}", settings.url, desk_.excerpt(answer.body)));
      return Answer{data.as_object(), desk_.moment_of(answer)};
    }
    const json::value& error = errors.as_array().front();
    const std::string code = code_of(error),
                      text = desk_.excerpt(shopify_text(shopify_member(error, {"message"})));
    if (code == "MAX_COST_EXCEEDED") return fail(ErrorKind::limit, "Shopify: " + text);
    if (code == "ACCESS_DENIED")
      return fail(ErrorKind::refused, "Shopify: " + text,
                  "give the app the scopes read_customers, read_orders and, for orders older than 60 days, "
                  "read_all_orders");
    bool again = code == "THROTTLED" || code == "INTERNAL_SERVER_ERROR" || code == "TIMEOUT";
    if (!again)
      return fail(ErrorKind::refused, "Shopify does not take the question: " + text, "see to `version`");
    if (tries >= limits::pull_tries * (code == "THROTTLED" ? 10 : 1))
      return fail(ErrorKind::dependency_down, "Shopify, again and again: " + text);
    if (code == "THROTTLED" && ready_at_ > now) continue;
    if (!desk_.wait(backoff, text, code == "THROTTLED")) return fail(ErrorKind::cancelled, "stopped");
    backoff = std::min(2 * backoff, limits::pull_pause_max_us);
  }
}

}  // namespace tidemark::ingest
