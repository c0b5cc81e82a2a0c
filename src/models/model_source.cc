#include "models/model_source.h"

#include <cctype>

namespace tidemark::models {
namespace {

// The number behind `marker` in `text`, or 0.
int number_behind(std::string_view text, std::string_view marker) {
  size_t at = text.find(marker);
  if (at == std::string_view::npos) return 0;
  int number = 0;
  for (at += marker.size(); at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); ++at)
    number = number * 10 + (text[at] - '0');
  return number;
}

}  // namespace

bool MirroredTable::has_column(std::string_view column) const {
  return std::any_of(columns.begin(), columns.end(), [&](const auto& known) { return known.name == column; });
}

std::string MirroredTable::changes() const {
  return clickhouse::quote_table("bronze", name + "__changes");
}

std::string MirroredTable::current() const {
  return clickhouse::quote_table("bronze", name + "__current");
}

std::string MirroredTable::current_rows() const {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  std::string text = rows();
  return text.replace(text.find("SELECT *"), 8, "SELECT " + clickhouse::quote_list(names));
}

std::string MirroredTable::rows(const std::string& condition) const {
  std::string table = clickhouse::quote_table("bronze", name);
  if (log) return "(SELECT * FROM " + table + (condition.empty() ? "" : " WHERE " + condition) + ")";
  return "(SELECT * FROM " + table + " FINAL WHERE _deleted = 0" +
         (condition.empty() ? "" : " AND " + condition) + ")";
}

std::string MirroredTable::rows_as_changes() const {
  std::string text = rows();
  return text.replace(text.find("SELECT *"), 8, "SELECT *, toInt8(1) AS _sign");
}

void Complaints::at(size_t offset, std::string message, std::string remedy) {
  TextPosition position = position_of(file_.sql, std::min(offset, file_.sql.size()));
  at_line(position.line, position.column, std::move(message), std::move(remedy));
}

void Complaints::at_line(int line, int column, std::string message, std::string remedy) {
  ++count_;
  out_.push_back({.where = file_.location_in_sql(line, column),
                  .message = std::move(message),
                  .remedy = std::move(remedy),
                  .source_line = std::string(config::line_of(file_.sql, line))});
}

void Complaints::in_header(const std::string& key, std::string message, std::string remedy) {
  auto place = file_.header_locations.find(key);
  if (place == file_.header_locations.end()) return at_line(1, 1, std::move(message), std::move(remedy));
  ++count_;
  out_.push_back({.where = place->second, .message = std::move(message), .remedy = std::move(remedy)});
}

void Complaints::refused(const Error& error, std::string_view what, int lines_before) {
  std::string text = error.message;
  // "... in scope SELECT <everything>. Maybe you meant: ...": the middle is our own text, not the user's.
  for (std::string_view scope : {" in scope ", ". In scope "})
    if (size_t from = text.find(scope); from != std::string::npos) {
      size_t hint = text.find(". Maybe you meant", from);
      text.erase(from, hint == std::string::npos ? std::string::npos : hint - from);
    }
  std::string message = what.empty() ? text : std::string(what) + ": " + text;
  if (int line = number_behind(text, "(line "); line > lines_before) {
    int column = number_behind(std::string_view(text).substr(text.find("(line ")), "col ");
    return at_line(line - lines_before, column, std::move(message), error.remedy);
  }
  // The name in backticks or single quotes, where the file mentions it first.
  size_t open = text.find('`');
  char quote = '`';
  if (open == std::string::npos) open = text.find('\''), quote = '\'';
  if (open != std::string::npos) {
    size_t close = text.find(quote, open + 1);
    std::string name = close == std::string::npos ? "" : text.substr(open + 1, close - open - 1);
    if (size_t dot = name.rfind('.'); dot != std::string::npos) name = name.substr(dot + 1);
    if (auto tokens = tokenize(file_.sql); tokens && !name.empty())
      for (const auto& token : *tokens)
        if (token.identifier() && token.name == name)
          return at(token.offset, std::move(message), error.remedy);
  }
  at_line(1, 1, std::move(message), error.remedy);
}

std::string physical_name(const config::ModelFile& file, std::string_view fingerprint,
                          std::string_view suffix) {
  return clickhouse::quote_table(
      file.database, file.name + "__" + std::string(fingerprint.substr(0, 8)) + std::string(suffix));
}

std::string fingerprint_of(std::string_view text) {
  // FNV-1a, then a finaliser so that the first eight digits, which name tables, depend on every byte.
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (unsigned char c : text) hash = (hash ^ c) * 0x100000001b3ULL;
  hash ^= hash >> 33;
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ULL;
  hash ^= hash >> 33;
  return fmt::format("{:016x}", hash);
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

}  // namespace tidemark::models
