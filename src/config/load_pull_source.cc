#include "base/column_type.h"
#include "config/loading.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::config {
namespace {

// More often than this is no news and many requests.
constexpr int64_t overlap_s_max = 30 * 86400;
constexpr int64_t late_days_max = 60;

PostedTable table_of(const std::string& name, const Location& where,
                     const std::vector<std::pair<std::string, const char*>>& columns,
                     std::vector<std::string> key) {
  PostedTable table;
  table.table = name;
  table.where = where;
  for (const auto& [column, type] : columns) table.columns.emplace_back(column, *parse_column_type(type));
  table.key = std::move(key);
  return table;
}

bool is_day(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (size_t at = 0; at < text.size(); ++at)
    if (at != 4 && at != 7 && (text[at] < '0' || text[at] > '9')) return false;
  return text.substr(5, 2) >= "01" && text.substr(5, 2) <= "12" && text.substr(8) >= "01" &&
         text.substr(8) <= "31";
}

// A token goes along with every request: in the clear only to this machine.
void check_url(MappingReader& mapping, PullSettings& pull) {
  while (pull.url.ends_with('/')) pull.url.pop_back();
  if (pull.url.empty()) return;
  std::string_view rest = pull.url;
  bool plain = rest.starts_with("http://");
  if (!plain && !rest.starts_with("https://"))
    return mapping.error("url", "`url` begins with https://", "For example https://my-shop.myshopify.com.");
  rest.remove_prefix(plain ? 7 : 8);
  if (rest.find_first_of("/?#@ ") != std::string_view::npos || rest.empty())
    return mapping.error("url", "`url` is a scheme, a host and a port", "Leave path, query and user out.");
  bool here = rest.starts_with("127.") || rest.starts_with("localhost") || rest.starts_with("[::1]");
  if (plain && !here)
    mapping.error("url", "http:// would show the token to whoever listens on the way", "Write https://.");
}

// May be empty: a variable that is not set says that nothing is to be asked.
std::string read_open(MappingReader& mapping, const std::string& key, std::string otherwise = {}) {
  const YamlNode* node = mapping.child(key);
  return node == nullptr ? std::move(otherwise) : mapping.item_text(*node, key).value_or("");
}

void read_streams(MappingReader& mapping, PullSettings& pull) {
  const auto& known = streams_of(pull.from);
  pull.streams = mapping.texts("streams");
  for (const auto& stream : pull.streams)
    if (std::find(known.begin(), known.end(), stream) == known.end())
      mapping.error("streams", fmt::format("`{}` is no stream of {}", stream, name(pull.from)),
                    fmt::format("There are {}.", fmt::join(known, ", ")));
  if (pull.streams.empty()) pull.streams = known;
}

void read_group(MappingReader& mapping, PullSettings& pull) {
  if (pull.from == PullFrom::shopify) {
    std::string host = pull.url.substr(std::min(pull.url.size(), pull.url.find("//") + 2));
    pull.group = mapping.text("shop", host.substr(0, host.find(':')));
  } else if (pull.from == PullFrom::ga4) {
    pull.group = read_open(mapping, "property");
    bool digits =
        std::all_of(pull.group.begin(), pull.group.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || (pull.group.empty() && !pull.token.empty()))
      mapping.error("property", "`property` is the number of a GA4 property",
                    "It is in Google Analytics under Admin, Property details.");
    if (auto days = mapping.integer("late_days", 0, late_days_max)) pull.late_days = *days;
  }
}

}  // namespace

const char* name(PullFrom from) {
  constexpr const char* names[] = {"shopify", "klaviyo", "ga4"};
  return names[static_cast<size_t>(from)];
}

const std::vector<std::string>& streams_of(PullFrom from) {
  static const std::vector<std::string> streams[] = {
      {"customers", "orders", "refunds", "abandoned_checkouts"},
      {"metrics", "lists", "flows", "campaigns", "profiles", "events"},
      {"daily", "events"},
  };
  return streams[static_cast<size_t>(from)];
}

void load_pull_source(Reader reader, const YamlNode& node, const std::string& source_name,
                      const Location& where, const Project& project, std::vector<WebhookSource>& webhooks,
                      WebhookSource* called) {
  MappingReader mapping(reader, node, "`pull`");
  PullSettings pull;
  std::optional<PullFrom> of_webhook;
  if (called != nullptr) {
    if (called->from == WebhookSender::shopify) of_webhook = PullFrom::shopify;
    if (called->from == WebhookSender::klaviyo) of_webhook = PullFrom::klaviyo;
    if (called->from == WebhookSender::ga4) of_webhook = PullFrom::ga4;
    if (!of_webhook)
      reader.report.error(where, "`pull` cannot be beside `webhook: { from: standard }`",
                          "Write it into a file of its own.");
  } else {
    mapping.required_child("from");
  }
  pull.from = mapping.choice<PullFrom>(
      "from", {{"shopify", PullFrom::shopify}, {"klaviyo", PullFrom::klaviyo}, {"ga4", PullFrom::ga4}},
      of_webhook.value_or(PullFrom::shopify));
  if (of_webhook && pull.from != *of_webhook)
    mapping.error("from", fmt::format("the `webhook` beside it is of {}", name(*of_webhook)),
                  "Pull from the same, or write it into a file of its own.");
  pull.token = Secret(read_open(mapping, "token"));
  const char* usual[] = {"", "https://a.klaviyo.com", "https://analyticsdata.googleapis.com"};
  pull.url = read_open(mapping, "url", usual[static_cast<size_t>(pull.from)]);
  check_url(mapping, pull);
  if (pull.url.empty() && !pull.token.empty())
    mapping.error("url", "`url` is missing", "For example https://my-shop.myshopify.com.");
  const char* versions[] = {"2026-01", "2026-07-15", "v1beta"};
  pull.version = mapping.text("version", versions[static_cast<size_t>(pull.from)]);
  if (pull.version.empty() ||
      pull.version.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") != std::string::npos)
    mapping.error("version", fmt::format("`{}` is no version of an API", pull.version),
                  fmt::format("For example {}.", versions[static_cast<size_t>(pull.from)]));
  if (auto seconds = mapping.duration_seconds("every")) pull.every_s = std::max<int64_t>(*seconds, 1);
  if (auto seconds = mapping.duration_seconds("overlap")) {
    pull.overlap_s = *seconds;
    if (*seconds > overlap_s_max) mapping.error("overlap", "`overlap` is at most 30d", "For example 1h.");
  }
  pull.since = mapping.text("since");
  if (!pull.since.empty() && !is_day(pull.since))
    mapping.error("since", fmt::format("`{}` is no day", pull.since), "For example 2025-01-31.");
  read_group(mapping, pull);
  read_streams(mapping, pull);

  WebhookSource alone;
  if (called == nullptr) {
    alone.called = false;
    alone.events.name = source_name;
    alone.events.where = where;
    alone.events.table = mapping.text("table", source_name + "_pulled");
    check_identifier(reader.report, mapping.where("table"), "a table", alone.events.table);
    read_spool(mapping, project, alone.events);
  }
  EventSource& events = (called != nullptr ? *called : alone).events;
  for (const WriteKey& key : events.write_keys)
    if (key.name == "pull")
      reader.report.error(where, "a secret is called `pull`, which is the name of what is pulled",
                          "Give it another name.");
  // Whose rows they are; without a text, so that nobody can send with it.
  events.write_keys.push_back({.name = "pull", .key = {}});
  events.tables.push_back(table_of(PullSettings::progress_table(source_name), where,
                                   {{"stream", "String"},
                                    {"watermark", "Nullable(DateTime64(6, 'UTC'))"},
                                    {"place", "String"},
                                    {"passes", "UInt64"},
                                    {"pages", "UInt64"},
                                    {"rows", "UInt64"},
                                    {"refused", "UInt64"}},
                                   {"stream"}));
  if (pull.from == PullFrom::ga4)
    events.tables.push_back(table_of(PullSettings::reports_table(source_name), where,
                                     {{"property", "String"},
                                      {"report", "String"},
                                      {"day", "Date32"},
                                      {"name", "String"},
                                      {"metrics", "String"}},
                                     {"property", "report", "day", "name"}));
  mapping.finish();
  (called != nullptr ? *called : alone).pull = std::move(pull);
  if (called == nullptr) webhooks.push_back(std::move(alone));
}

}  // namespace tidemark::config
