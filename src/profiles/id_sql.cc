#include "profiles/id_sql.h"

#include "clickhouse/schema.h"
#include "profiles/profile_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

// What a definition's `from` reads, as a text that may be NULL.
std::string place(const std::string& from, const std::string& kind) {
  if (from == "context.externalIds")
    return fmt::format(
        "JSONExtractString(arrayFirst(one -> JSONExtractString(one, 'type') = {}, "
        "JSONExtractArrayRaw(context, "
        "'externalIds')), 'id')",
        quote_string(kind));
  size_t dot = from.find('.');
  if (dot == std::string::npos) return quote_identifier(from);
  std::vector<std::string> steps;
  for (size_t at = dot + 1; at <= from.size();) {
    size_t end = std::min(from.find('.', at), from.size());
    steps.push_back(quote_string(from.substr(at, end - at)));
    at = end + 1;
  }
  return fmt::format("JSONExtract({}, {}, 'Nullable(String)')", quote_identifier(from.substr(0, dot)),
                     fmt::join(steps, ", "));
}

std::string acceptable(const Definition& definition) {
  std::vector<std::string> words;
  for (const char* word : never_ids) words.push_back(quote_string(word));
  for (const auto& word : definition.blocked) words.push_back(quote_string(word));
  return fmt::format(
      "notEmpty(value) AND length(value) <= {} AND NOT match(value, '^[-0]*$|^[{{\\\\[]') AND lower(value) "
      "NOT "
      "IN ({})",
      limits::id_bytes_max, fmt::join(words, ", "));
}

std::string cleaned(const IdKind& kind, const std::string& expression) {
  std::string text = fmt::format("trimBoth(ifNull(toString({}), ''))", expression);
  return kind.ignore_case ? fmt::format("lowerUTF8({})", text) : text;
}

std::string ids(const std::vector<std::string>& all) {
  return fmt::format("arrayFilter(id -> notEmpty(id), [{}])", fmt::join(all, ", "));
}

std::string named(const Definition& definition, const IdKind& kind, const std::vector<std::string>& values) {
  return fmt::format(
      "arrayMap(value -> if(notEmpty(value), concat({}, value), ''), [arrayFirst(value -> {}, "
      "[{}])])[1]",
      quote_string(kind.name + ":"), acceptable(definition), fmt::join(values, ", "));
}

}  // namespace

std::string id_value(const Definition& definition, const IdKind& kind, const std::string& expression) {
  return fmt::format("arrayFirst(value -> {}, [{}])", acceptable(definition), cleaned(kind, expression));
}

std::string event_ids(const Definition& definition) {
  std::vector<std::string> all;
  for (const auto& kind : definition.kinds) {
    std::vector<std::string> values;
    for (const auto& from : kind.from) values.push_back(cleaned(kind, place(from, kind.name)));
    if (!values.empty()) all.push_back(named(definition, kind, values));
  }
  return ids(all);
}

std::string row_ids(const Definition& definition, const IdTable& table) {
  std::vector<std::string> all;
  for (const auto& [kind, column] : table.ids)
    if (const IdKind* known = definition.kind(kind))
      all.push_back(named(definition, *known, {cleaned(*known, quote_identifier(column))}));
  return ids(all);
}

}  // namespace tidemark::profiles
