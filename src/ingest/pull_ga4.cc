// GA4's Data API: reports by day, in pages of offset and limit. A report is what Google makes of events,
// thresholds and sampling included, so it stands beside the events, to be compared with, and is never
// counted.
//
// A day is not closed when it ends: the last `late_days` are read again in each pass, and the row of a day
// and name takes the place of the one before (the table of reports has a key).
//
// Quotas are tokens of an hour and of a day; what is left is in the answer (propertyQuota).
#include "base/log.h"
#include "ingest/event_time.h"
#include "ingest/google_token.h"
#include "ingest/pull_connector.h"
#include "ingest/pull_limits.h"

#include <boost/json.hpp>
#include <charconv>

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

constexpr int64_t ga4_day_us = int64_t{86400} * 1'000'000;
constexpr int64_t ga4_hour_us = int64_t{3600} * 1'000'000;

struct Ga4Report {
  const char* name;
  std::vector<const char*> dimensions;
  std::vector<const char*> metrics;
};

const Ga4Report& report_called(std::string_view name) {
  static const Ga4Report reports[] = {
      {"daily",
       {"date"},
       {"activeUsers", "newUsers", "sessions", "screenPageViews", "eventCount", "ecommercePurchases",
        "purchaseRevenue"}},
      {"events", {"date", "eventName"}, {"eventCount", "totalUsers"}},
  };
  return name == "daily" ? reports[0] : reports[1];
}

json::array named(const std::vector<const char*>& names) {
  json::array list;
  for (const char* name : names) list.push_back(json::object{{"name", name}});
  return list;
}

const json::value* member(const json::value& value, const char* name) {
  const auto* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}

// "20260131" as "2026-01-31"; empty: "(other)" and the like.
std::string day_of(std::string_view text) {
  bool digits = text.size() == 8 && text.find_first_not_of("0123456789") == std::string_view::npos;
  return digits ? fmt::format("{}-{}-{}", text.substr(0, 4), text.substr(4, 2), text.substr(6)) : "";
}

std::vector<std::string> values_of(const json::value& row, const char* kind) {
  std::vector<std::string> values;
  const auto* list = member(row, kind);
  if (list != nullptr && list->is_array())
    for (const auto& one : list->as_array()) {
      const auto* value = member(one, "value");
      values.push_back(value != nullptr && value->is_string() ? std::string(value->as_string()) : "");
    }
  return values;
}

class Ga4Connector final : public PullConnector {
 public:
  explicit Ga4Connector(PullDesk& desk) : desk_(desk), token_(desk) {}

  Status pass(StreamProgress& progress) override {
    const Ga4Report& report = report_called(progress.stream);
    for (uint64_t page = 0; page < limits::pull_pages_max; ++page) {
      StreamProgress next = progress;
      if (!next.place) next.place = first_window(progress);
      PassPlace& place = *next.place;
      uint64_t offset = 0;
      std::from_chars(place.next.data(), place.next.data() + place.next.size(), offset);
      const int64_t today = desk_.clock().wall_micros() / ga4_day_us * ga4_day_us;
      const int64_t last = std::min(place.since + (limits::ga4_window_days - 1) * ga4_day_us, today);
      auto answer = TRY(ask(question(report, place.since, last, offset)));
      if (answer.status != 200)
        return fail(desk_.refusal(answer, "the report " + progress.stream,
                                  "make the service account a viewer of the property"));
      if (place.begun == 0) place.begun = desk_.moment_of(answer);
      PulledPage rows;
      uint64_t total = TRY(read(report, answer.body, rows));
      const uint64_t got = rows.reports.size() + rows.refused.size();
      ++next.pages;
      place.next = std::to_string(offset + got);
      if (got == 0 || offset + got >= total) {
        place.next.clear();
        place.since = last + ga4_day_us;
        if (last >= today) next.end_pass();
      }
      TRY_VOID(desk_.land(rows, next));
      progress = std::move(next);
      if (!progress.place) return {};
    }
    return fail(ErrorKind::limit,
                fmt::format("{} has no last page of {}", desk_.settings().url, progress.stream));
  }

 private:
  PassPlace first_window(const StreamProgress& progress) const {
    const auto& settings = desk_.settings();
    const int64_t today = desk_.clock().wall_micros() / ga4_day_us * ga4_day_us;
    PassPlace place;
    if (progress.watermark != 0)
      place.since = progress.watermark / ga4_day_us * ga4_day_us - settings.late_days * ga4_day_us;
    else
      place.since = parse_event_time(settings.since).value_or(today - limits::ga4_since_days * ga4_day_us);
    place.since = std::min(place.since, today);
    return place;
  }

  std::string question(const Ga4Report& report, int64_t first, int64_t last, uint64_t offset) const {
    json::array order;
    for (const char* name : report.dimensions)
      order.push_back(json::object{{"dimension", json::object{{"dimensionName", name}}}});
    return json::serialize(json::object{
        {"dateRanges", json::array{json::object{{"startDate", api_day(first)}, {"endDate", api_day(last)}}}},
        {"dimensions", named(report.dimensions)},
        {"metrics", named(report.metrics)},
        {"orderBys", std::move(order)},
        {"offset", std::to_string(offset)},
        {"limit", std::to_string(limits::ga4_page_rows)},
        {"returnPropertyQuota", true}});
  }

  Result<http::FetchAnswer> ask(const std::string& body) {
    const auto& settings = desk_.settings();
    for (bool again = false;; again = true) {
      std::string token = TRY(token_.get());
      auto answer = TRY(desk_.ask(
          {.url =
               fmt::format("{}/{}/properties/{}:runReport", settings.url, settings.version, settings.group),
           .headers = {{"Authorization", "Bearer " + token}, {"Content-Type", "application/json"}},
           .body = body},
          [this](const http::FetchAnswer& refused) { return quota_pause(refused.body); }));
      if (answer.status != 401 || again || !token_.forget()) return answer;
    }
  }

  // Hours begin on the hour; a day's tokens come back at midnight in California, so it is asked once an hour.
  std::optional<int64_t> quota_pause(const std::string& body) const {
    if (body.find("RESOURCE_EXHAUSTED") == std::string::npos) return std::nullopt;
    if (body.find("oncurrent") != std::string::npos) return limits::pull_pause_first_us;
    return ga4_hour_us - desk_.clock().wall_micros() % ga4_hour_us;
  }

  // How many rows there are in all.
  Result<uint64_t> read(const Ga4Report& report, const std::string& body, PulledPage& page) {
    json::error_code bad;
    json::value answer = json::parse(body, bad);
    if (bad || !answer.is_object())
      return fail(ErrorKind::corrupt, fmt::format("{} answers with something that is no report: {}",
                                                  desk_.settings().url, desk_.excerpt(body)));
    if (const auto* facts = member(answer, "metadata"); facts != nullptr)
      if (const auto* lost = member(*facts, "dataLossFromOtherRow");
          lost != nullptr && lost->is_bool() && lost->as_bool())
        log::warn("{}: the report {} has rows that Google put together as (other)", desk_.settings().url,
                  report.name);
    if (const auto* rows = member(answer, "rows"); rows != nullptr && rows->is_array())
      for (const auto& row : rows->as_array()) take(report, row, page);
    const auto* total = member(answer, "rowCount");
    return total != nullptr && total->is_number() ? total->to_number<uint64_t>() : 0;
  }

  void take(const Ga4Report& report, const json::value& row, PulledPage& page) const {
    auto dimensions = values_of(row, "dimensionValues"), metrics = values_of(row, "metricValues");
    std::string day = dimensions.empty() ? "" : day_of(dimensions.front());
    if (day.empty() || dimensions.size() != report.dimensions.size() ||
        metrics.size() != report.metrics.size()) {
      page.refused.emplace_back(
          "a row of a report has a day, the dimensions and the metrics that were asked for",
          json::serialize(row));
      return;
    }
    json::object numbers;
    for (size_t index = 0; index < metrics.size(); ++index) numbers[report.metrics[index]] = metrics[index];
    page.reports.push_back(json::serialize(json::object{{"property", desk_.settings().group},
                                                        {"report", report.name},
                                                        {"day", day},
                                                        {"name", dimensions.size() > 1 ? dimensions[1] : ""},
                                                        {"metrics", json::serialize(numbers)}}));
  }

  PullDesk& desk_;
  GoogleToken token_;
};

}  // namespace

std::unique_ptr<PullConnector> make_ga4_connector(PullDesk& desk) {
  return std::make_unique<Ga4Connector>(desk);
}

}  // namespace tidemark::ingest
