#include "config/loading.h"
#include "config/token_limits.h"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>

namespace tidemark::config {
namespace {

// A token that can be guessed is none.
constexpr size_t token_bytes_min = 16;
constexpr size_t token_bytes_max = 512;
// Each request is compared with all of them.
constexpr size_t tokens_max = 100;

constexpr int64_t requests_per_minute_max = 1'000'000;
constexpr int64_t in_flight_max = 10'000;

// The end of a day in UTC, in seconds since 1970; nothing when it is none.
std::optional<int64_t> end_of_day(const std::string& text) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%d", &parts);
  if (text.size() != 10 || end == nullptr || *end != '\0') return std::nullopt;
  std::tm asked = parts;
  std::time_t begin = timegm(&parts);
  // The 31st of February is another day.
  if (parts.tm_mday != asked.tm_mday || parts.tm_mon != asked.tm_mon) return std::nullopt;
  return static_cast<int64_t>(begin) + 86'400;
}

TokenLimits read_limits(MappingReader& mapping, const std::vector<std::string>& scopes) {
  TokenLimits limits;
  if (auto day = mapping.optional_text("expires")) {
    auto end = end_of_day(*day);
    if (end)
      limits.expires_s = *end;
    else
      mapping.error("expires", fmt::format("`expires` is a day, not `{}`", *day),
                    "Write the last day it is good for, in UTC: 2027-01-31");
  }
  limits.requests_per_minute = mapping.integer("requests_per_minute", 1, requests_per_minute_max).value_or(0);
  limits.in_flight = mapping.integer("in_flight", 1, in_flight_max).value_or(0);
  if (const YamlNode* node = mapping.child("fixed")) {
    MappingReader fixed(mapping.reader(), *node, "`fixed`");
    for (const auto& pair : node->pairs) limits.fixed[pair.key] = fixed.texts(pair.key);
    fixed.finish();
    if (node->pairs.empty())
      mapping.error("fixed", "`fixed` names nothing", "Write, for example: fixed: { campaign_id: 7 }");
    if (scopes != std::vector<std::string>{"read"})
      mapping.error("fixed", "`fixed` narrows what is read, and the token may do more",
                    "Give it the scope read, and that alone.");
  }
  bool sends = std::find(scopes.begin(), scopes.end(), "events:write") != scopes.end();
  for (const char* key : {"expires", "requests_per_minute", "in_flight"})
    if (sends && mapping.has(key))
      mapping.error(key, fmt::format("`{}` is not for senders of events", key),
                    "Give the scope events:write to a token of its own; what senders may is in the source.");
  return limits;
}

const std::vector<std::string> scopes = {"read", "segments:write", "notify:write", "events:write", "admin"};

}  // namespace

void read_tokens(Reader reader, const YamlNode& node, Project& project) {
  if (node.kind != YamlNode::Kind::sequence) {
    reader.report.error(node.where, "`tokens` takes a list",
                        "tokens: [{ name: crm, value: \"${env:CRM_TOKEN}\", scopes: [read] }]");
    return;
  }
  for (const YamlNode& item : node.items) {
    MappingReader mapping(reader, item, "a token");
    AccessToken token{.where = item.where};
    token.name = mapping.required_text("name");
    std::string value = mapping.required_text("value");
    if (!value.empty() && (value.size() < token_bytes_min || value.size() > token_bytes_max))
      mapping.error("value",
                    fmt::format("a token has {} to {} characters, and this one {}", token_bytes_min,
                                token_bytes_max, value.size()),
                    "openssl rand -hex 24 makes one.");
    token.scopes = mapping.texts("scopes");
    if (token.scopes.empty())
      mapping.error("scopes", "a token without scopes may do nothing", "scopes: [read]");
    for (const auto& scope : token.scopes)
      if (std::find(scopes.begin(), scopes.end(), scope) == scopes.end())
        mapping.error("scopes", fmt::format("there is no scope `{}`{}", scope, did_you_mean(scope, scopes)),
                      "Use read, segments:write, notify:write, events:write or admin.");
    if (!read_limits(mapping, token.scopes).fixed.empty() && !project.http.reading_needs_token)
      mapping.warning("fixed", "who leaves the token out may read everything",
                      "Add http: { reading: token }.");
    for (const AccessToken& other : project.tokens) {
      if (other.name == token.name)
        reader.report.error(item.where, fmt::format("two tokens are called `{}`", token.name),
                            "Give one of them another name.");
      if (!value.empty() && other.value.reveal() == value)
        reader.report.error(item.where,
                            fmt::format("the tokens `{}` and `{}` are the same", other.name, token.name),
                            "Give each its own.");
    }
    token.value = Secret(std::move(value));
    mapping.finish();
    project.tokens.push_back(std::move(token));
  }
  if (project.tokens.size() > tokens_max)
    reader.report.error(node.where, fmt::format("more than {} tokens", tokens_max));
}

Result<std::map<std::string, TokenLimits>> load_token_limits(const std::filesystem::path& project_directory) {
  Report report(project_directory);
  Environment environment(true);
  std::map<std::string, TokenLimits> found;
  const std::filesystem::path file = "tidemark.yaml";
  auto text = report.read(file);
  auto node = text ? parse_yaml(report, file, *text) : std::nullopt;
  const YamlNode* tokens = node ? node->find("tokens") : nullptr;
  if (tokens != nullptr)
    for (const YamlNode& item : tokens->items) {
      MappingReader mapping({report, environment}, item, "a token");
      std::string name = mapping.required_text("name");
      TokenLimits limits = read_limits(mapping, mapping.texts("scopes"));
      if (limits.expires_s > 0 || limits.requests_per_minute > 0 || limits.in_flight > 0 ||
          !limits.fixed.empty())
        found[name] = limits;
    }
  auto errors = report.take_errors();
  if (!errors.empty()) return fail(ErrorKind::config, render(errors));
  return found;
}

void give_tokens_to_events(Report& report, Project& project) {
  for (const AccessToken& token : project.tokens) {
    if (std::find(token.scopes.begin(), token.scopes.end(), "events:write") == token.scopes.end()) continue;
    if (project.event_sources.size() != 1) {
      report.error(token.where,
                   fmt::format("the token `{}` may send events, and {}", token.name,
                               project.event_sources.empty() ? "no source takes any"
                                                             : "several sources take them: it is of none"),
                   project.event_sources.empty()
                       ? "Add a source with `events:`, or take the scope events:write away."
                       : "Add it to the `write_keys` of one, and take the scope away.");
      continue;
    }
    EventSource& source = project.event_sources.front();
    for (const WriteKey& key : source.write_keys)
      if (key.name == token.name)
        report.error(token.where,
                     fmt::format("a write key of the source `{}` is called `{}`, too", source.name, key.name),
                     "Give one of them another name: events say by which they came.");
      else if (!key.key.empty() && key.key.reveal() == token.value.reveal())
        report.error(token.where,
                     fmt::format("the token `{}` and the write key `{}` are the same", token.name, key.name),
                     "Give each its own.");
    source.write_keys.push_back({token.name, token.value});
  }
}

}  // namespace tidemark::config
