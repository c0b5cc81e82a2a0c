#include "config/loading.h"

#include <fmt/format.h>

namespace tidemark::config {
namespace {

// A token that can be guessed is none.
constexpr size_t token_bytes_min = 16;
constexpr size_t token_bytes_max = 512;
// Each request is compared with all of them.
constexpr size_t tokens_max = 100;

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
