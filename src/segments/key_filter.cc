#include "segments/key_filter.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

std::string tuple(const std::vector<std::string>& expressions) {
  return expressions.size() == 1 ? expressions.front() : fmt::format("({})", fmt::join(expressions, ", "));
}

}  // namespace

std::string bare_type(const std::string& type) {
  std::string bare = type;
  for (std::string wrapper : {"LowCardinality(", "Nullable("})
    if (bare.starts_with(wrapper)) bare = bare.substr(wrapper.size(), bare.size() - wrapper.size() - 1);
  return bare;
}

KeyFilter KeyFilter::bound(std::vector<std::string> types) {
  KeyFilter filter;
  filter.condition_ = [types](const std::vector<std::string>& columns,
                              const std::vector<std::string>& column_types) {
    std::vector<std::string> left, right;
    for (size_t index = 0; index < columns.size(); ++index) {
      std::string type = bare_type(types[index]);
      std::string list = fmt::format("{{keys{}:Array(String)}}", index);
      // Other types are compared in their text form; the same types directly, which can use the primary key.
      bool same = bare_type(column_types[index]) == type;
      left.push_back(same ? columns[index] : fmt::format("toString({})", columns[index]));
      right.push_back(same && type != "String" ? fmt::format("CAST({}, 'Array({})')", list, type) : list);
    }
    if (columns.size() == 1) return fmt::format("{} IN {}", left.front(), right.front());
    return fmt::format("{} IN (SELECT arrayJoin(arrayZip({})))", tuple(left), fmt::join(right, ", "));
  };
  return filter;
}

bool KeyFilter::has_range(const std::string& type) {
  std::string bare = bare_type(type);
  return type.find("Nullable(") == std::string::npos &&
         (bare == "String" || bare == "UUID" || bare.starts_with("Int") || bare.starts_with("UInt"));
}

std::string KeyFilter::text_in_range(const std::string& key, const std::string& type) {
  std::string bare = bare_type(type);
  std::string typed = bare == "String" ? key : fmt::format("accurateCastOrNull({}, '{}')", key, bare);
  return fmt::format(
      "({{from_first:UInt8}} OR ifNull({0} > {{after:{1}}}, 0)) AND ({{to_last:UInt8}} OR ifNull({0} <= "
      "{{upto:{1}}}, {{from_first:UInt8}}))",
      typed, bare);
}

KeyFilter KeyFilter::range(std::string type) {
  KeyFilter filter;
  filter.condition_ = [bare = bare_type(type)](const std::vector<std::string>& columns,
                                               const std::vector<std::string>&) {
    return fmt::format(
        "({{from_first:UInt8}} OR {0} > {{after:{1}}}) AND ({{to_last:UInt8}} OR {0} <= {{upto:{1}}})",
        columns.front(), bare);
  };
  return filter;
}

KeyFilter KeyFilter::through(const KeyFilter& inner, std::string read, std::vector<std::string> wanted,
                             std::vector<std::string> by, std::vector<std::string> by_types) {
  if (inner.everything()) return all();
  KeyFilter filter;
  std::string rows = fmt::format("FROM {} WHERE {}", read, inner.condition(by, by_types));
  filter.condition_ = [rows, wanted](const std::vector<std::string>& columns,
                                     const std::vector<std::string>&) {
    std::vector<std::string> left, right;
    for (const auto& column : columns) left.push_back(fmt::format("toString({})", column));
    for (const auto& column : wanted) right.push_back(fmt::format("toString({})", column));
    return fmt::format("{} IN (SELECT {} {})", tuple(left), fmt::join(right, ", "), rows);
  };
  return filter;
}

std::string KeyFilter::condition(const std::vector<std::string>& columns,
                                 const std::vector<std::string>& types) const {
  return condition_ ? condition_(columns, types) : "";
}

}  // namespace tidemark::segments
