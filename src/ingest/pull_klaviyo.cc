// Klaviyo's JSON:API: pages follow each other by links.next, every request names the revision it is written
// for. What is kept of an object is what was sent, digit by digit, as {"data": {...}}: the form of Klaviyo's
// webhooks.
//
// Limits are windows of a second and of a minute; an answer says how much is left of the window
// (RateLimit-*), so the next request waits for a new one instead of being refused.
#include "http/url.h"
#include "ingest/json_members.h"
#include "ingest/pull_connector.h"
#include "ingest/pull_limits.h"

#include <array>
#include <charconv>

namespace tidemark::ingest {
namespace {

struct KlaviyoStream {
  const char* name;
  const char* path;
  const char* query;                 // beside the filter
  const char* type;                  // of its resources
  const char* clock;                 // the attribute that is filtered by; null: everything, each time
  std::array<const char*, 2> parts;  // filters of which each is asked for; null: none
};

// Campaigns are not given without a channel; predictive analytics only when asked for.
constexpr KlaviyoStream klaviyo_streams[] = {
    {"metrics", "metrics", "", "metric", nullptr, {}},
    {"lists", "lists", "sort=updated", "list", "updated", {}},
    {"flows", "flows", "page[size]=50&sort=updated", "flow", "updated", {}},
    {"campaigns",
     "campaigns",
     "sort=updated_at",
     "campaign",
     "updated_at",
     {"equals(messages.channel,'email')", "equals(messages.channel,'sms')"}},
    {"profiles",
     "profiles",
     "page[size]=100&sort=updated&additional-fields[profile]=subscriptions,predictive_analytics",
     "profile",
     "updated",
     {}},
    {"events", "events", "page[size]=200&sort=datetime", "event", "datetime", {}},
};

std::string encoded_query(std::string_view query) {
  std::string text;
  while (!query.empty()) {
    std::string_view one = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), one.size() + 1));
    size_t equal = one.find('=');
    text += text.empty() ? "" : "&";
    text += http::percent_encode(one.substr(0, equal)) + "=" + http::percent_encode(one.substr(equal + 1));
  }
  return text;
}

class KlaviyoConnector final : public PullConnector {
 public:
  explicit KlaviyoConnector(PullDesk& desk) : desk_(desk) {}

  Status pass(StreamProgress& progress) override {
    const KlaviyoStream& stream = *std::find_if(std::begin(klaviyo_streams), std::end(klaviyo_streams),
                                                [&](const auto& one) { return progress.stream == one.name; });
    for (uint64_t page = 0; page < limits::pull_pages_max; ++page) {
      StreamProgress next = progress;
      if (!next.place) next.place = desk_.first_place(progress);
      const std::string url = next.place->next.empty() ? first_page(stream, *next.place) : next.place->next;
      auto answer = TRY(ask(url));
      // A cursor that is not known any more: this pass from its beginning.
      if (answer.status == 400 && !next.place->next.empty() && !begun_anew_) {
        begun_anew_ = true;
        progress.place->next.clear();
        continue;
      }
      if (answer.status != 200)
        return fail(desk_.refusal(answer, "the question for " + progress.stream,
                                  fmt::format("give the private key the scope {}:read", stream.path)));
      if (next.place->begun == 0) next.place->begun = desk_.moment_of(answer);
      PulledPage rows;
      std::string following = TRY(read(stream, answer.body, rows));
      if (following == url)
        return fail(ErrorKind::corrupt,
                    fmt::format("{} names a page as the one behind itself", desk_.settings().url));
      ++next.pages;
      next.place->next = following;
      if (following.empty() && ++next.place->part >= parts_of(stream)) next.end_pass();
      TRY_VOID(desk_.land(rows, next));
      progress = std::move(next);
      if (!progress.place) {
        begun_anew_ = false;
        return {};
      }
    }
    return fail(ErrorKind::limit,
                fmt::format("{} has no last page of {}", desk_.settings().url, progress.stream));
  }

 private:
  static uint64_t parts_of(const KlaviyoStream& stream) {
    return stream.parts[0] == nullptr ? 1 : stream.parts.size();
  }

  std::string first_page(const KlaviyoStream& stream, const PassPlace& place) const {
    std::string filter = stream.parts[0] == nullptr ? "" : stream.parts.at(place.part);
    if (stream.clock != nullptr && place.since != 0)
      filter += fmt::format("{}greater-than({},{})", filter.empty() ? "" : ",", stream.clock,
                            api_time(place.since));
    std::string query = encoded_query(stream.query);
    if (!filter.empty()) query += (query.empty() ? "filter=" : "&filter=") + http::percent_encode(filter);
    return fmt::format("{}/api/{}{}{}", desk_.settings().url, stream.path, query.empty() ? "" : "?", query);
  }

  Result<http::FetchAnswer> ask(const std::string& url) {
    if (left_alone_until_ > desk_.clock().wall_micros() &&
        !desk_.wait(left_alone_until_ - desk_.clock().wall_micros(), "Klaviyo's rate limit", true))
      return fail(ErrorKind::cancelled, "stopped");
    left_alone_until_ = 0;
    auto answer =
        TRY(desk_.ask({.url = url,
                       .headers = {{"Authorization", "Klaviyo-API-Key " + desk_.settings().token.reveal()},
                                   {"Accept", "application/vnd.api+json"},
                                   {"revision", desk_.settings().version}}}));
    if (answer.header("ratelimit-remaining") == "0") {
      std::string_view reset = answer.header("ratelimit-reset");
      int64_t seconds = 0;
      std::from_chars(reset.data(), reset.data() + reset.size(), seconds);
      left_alone_until_ = desk_.clock().wall_micros() +
                          std::clamp<int64_t>(seconds * 1'000'000, 0, limits::pull_pause_max_us);
    }
    return answer;
  }

  // The address of the next page; empty: there is none.
  Result<std::string> read(const KlaviyoStream& stream, const std::string& body, PulledPage& page) {
    std::vector<JsonField> fields, links;
    std::vector<std::string> resources;
    if (!members_.open_object(body, fields) || !members_.open_array(field_of(fields, "data").json, resources))
      return fail(ErrorKind::corrupt, fmt::format("{} answers with something that is no page of JSON:API: {}",
                                                  desk_.settings().url, desk_.excerpt(body)));
    for (const std::string& resource : resources) {
      std::vector<JsonField> object;
      members_.open_object(resource, object);
      const std::string& about = field_of(object, "attributes").json;
      if (field_of(object, "id").text.empty() || field_of(object, "type").text != stream.type ||
          !about.starts_with('{')) {
        page.refused.emplace_back(fmt::format("it is no {} with an id and attributes", stream.type),
                                  resource);
        continue;
      }
      page.rows.push_back(
          {.topic = fmt::format("pull/{}", stream.name), .body = "{\"data\":" + resource + "}"});
    }
    const std::string& around = field_of(fields, "links").json;
    if (around.starts_with('{')) members_.open_object(around, links);
    std::string next = field_of(links, "next").text;
    // The key goes where the page is.
    if (!next.empty() && http::origin_of(next) != http::origin_of(desk_.settings().url))
      return fail(ErrorKind::refused,
                  fmt::format("the next page is said to be at {}, which is not {}", http::origin_of(next),
                              desk_.settings().url),
                  "set `url` to the address that answers");
    return next;
  }

  PullDesk& desk_;
  JsonMembers members_;
  int64_t left_alone_until_ = 0;
  bool begun_anew_ = false;
};

}  // namespace

std::unique_ptr<PullConnector> make_klaviyo_connector(PullDesk& desk) {
  return std::make_unique<KlaviyoConnector>(desk);
}

}  // namespace tidemark::ingest
