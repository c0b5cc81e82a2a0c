// The text form of models and endpoints: leading comment lines hold the header, the rest is one SELECT.
//
//   -- models/analytics/campaign_daily.sql      a comment: no `word:` at its start
//   -- kind: incremental                        a header key and its value
//   -- param campaign_id UInt32 required        a parameter line (endpoints)
//   SELECT ...
//
// A header key is a lower-case word directly followed by a colon and a space (or the line's end), so that
// prose and URLs stay comments. The header ends at the first line that is neither empty nor a `--` comment.
//
// The SQL is not understood here - ClickHouse does that - but its tokens are told apart well enough to find
// the end of the statement, a second statement, and {name:Type} placeholders, whatever strings and comments
// contain.
#pragma once

#include "config/report.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::config {

struct HeaderEntry {
  std::string key;
  std::string value;  // trimmed; may be empty
  Location key_where;
  Location value_where;
};

struct ParameterLine {
  std::string text;  // after "param"
  Location where;    // of `text`
};

struct Placeholder {
  std::string name;
  std::string type;  // without surrounding spaces
  Location where;
};

struct SqlFile {
  std::vector<HeaderEntry> header;
  std::vector<ParameterLine> parameters;
  std::string sql;  // without the closing semicolon and what follows it
  int sql_first_line = 1;
  std::vector<Placeholder> placeholders;
};

// Reports an empty statement, a second one, an unterminated string or comment, and one that does not begin
// with SELECT, WITH or "(".
SqlFile parse_sql_file(Report& report, const std::filesystem::path& file, const std::string& text);

// "a, f(b, c), d" -> "a", "f(b, c)", "d": at commas outside brackets and quotes, trimmed; empty parts are
// dropped.
std::vector<std::string> split_list(std::string_view text);

// The statement names its own output format (FORMAT JSON, also before SETTINGS) outside strings and comments.
bool has_format_clause(std::string_view sql);

bool is_identifier(std::string_view text);  // [A-Za-z_][A-Za-z0-9_]*

}  // namespace tidemark::config
